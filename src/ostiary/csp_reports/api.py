"""Reports from browsers, and the keeper's view of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response

from ostiary.core.caller import Caller
from ostiary.core.clock import iso
from ostiary.csp_reports.reading import read
from ostiary.csp_reports.service import LAST, CspReports
from ostiary.web.answers import Answer, Done, Moment, refusals
from ostiary.web.doors import KEEPER_PREFIX, TheVisit, api_router, keeper, service
from ostiary.web.headers import REPORT_PATH
from ostiary.web.problems import BodyTooLarge

if TYPE_CHECKING:
    from ostiary.csp_reports.queries import Group

# No check against forgery: browsers send reports without our headers, and nobody is asked who they are.
reporting = APIRouter(include_in_schema=False)
router = api_router("keeping", KEEPER_PREFIX)

Reports = Annotated[CspReports, service(CspReports)]


class CspReportAnswer(Answer):
    """Reports that are alike. Whoever sends one can say anything: hearsay."""

    id: str
    directive: str
    blocked: str
    page: str
    source: str
    disposition: str
    sample: str
    count: int
    first_seen_at: Moment
    last_seen_at: Moment

    @classmethod
    def of(cls, group: Group) -> CspReportAnswer:
        """Return the keeper's view of a group."""
        return cls(
            id=group.id, directive=group.directive, blocked=group.blocked, page=group.page, source=group.source,
            disposition=group.disposition, sample=group.sample, count=group.count,
            first_seen_at=iso(group.first_seen_at), last_seen_at=iso(group.last_seen_at),
        )  # fmt: skip


class CspReportList(Answer):
    """Groups of reports, the last seen first; `next` is for the parameter `after`, null at the end."""

    reports: list[CspReportAnswer]
    next: str | None


@reporting.post(REPORT_PATH, status_code=204)
async def take_reports(request: Request, visit: TheVisit, reports: Reports) -> Response:
    """Take what a browser reports. Well-formed is well: the sender learns nothing of what becomes of it."""
    raw = await request.body()
    if len(raw) > reports.largest_delivery:
        raise BodyTooLarge
    await reports.take(visit.caller(), read(visit.header(b"content-type") or "", raw, reports.origins))
    return Response(status_code=204)


@router.get("/csp-reports", operation_id="listCspReports", responses=refusals(401, 403, 422))
async def list_csp_reports(
    reports: Reports,
    caller: Annotated[Caller, keeper("csp-reports:read")],
    after: Annotated[str | None, Query(pattern=r"^[0-9]{1,15}\.[A-Za-z0-9_-]{22}$")] = None,
    most: Annotated[int, Query(ge=1, le=500)] = 100,
) -> CspReportList:
    """List what browsers reported, in groups, the last seen first."""
    seen_at, _, group_id = after.partition(".") if after else ("", "", "")
    found = await reports.listed((int(seen_at), group_id) if after else LAST, most)
    last = found[-1] if len(found) == most else None
    return CspReportList(
        reports=[CspReportAnswer.of(group) for group in found], next=f"{last.last_seen_at}.{last.id}" if last else None
    )


@router.delete("/csp-reports", operation_id="clearCspReports", responses=refusals(401, 403))
async def clear_csp_reports(reports: Reports, caller: Annotated[Caller, keeper("csp-reports:write")]) -> Done:
    """Forget what browsers reported."""
    gone = await reports.clear(caller)
    return Done(detail=f"{gone} groups of reports are forgotten.")
