"""Refusals on their way out of FastAPI: a document for programs, a page for people."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException

from ostiary.core.errors import Problem
from ostiary.web.doors import ELSEWHERE_PREFIX, PAGE_PREFIX, edge_in, page, see_other, visit_in
from ostiary.web.problems import InternalFault, body_and_headers, by_status, invalid_fields
from ostiary.web.redirects import own_referer
from ostiary.web.standing import InsufficientAuthentication

SIGN_IN, STEP_UP = f"{PAGE_PREFIX}/sign-in", f"{PAGE_PREFIX}/step-up"
PAGES = (f"{PAGE_PREFIX}/", f"{ELSEWHERE_PREFIX}/", "/dev/")


def add_problem_handlers(app: FastAPI) -> None:
    """Make every refusal of a FastAPI app a problem document, or on hosted pages a page."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_fault)


async def _on_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return _answer(request, problem)


async def _on_invalid(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, RequestValidationError)
    return _answer(request, invalid_fields(failure.errors()))


async def _on_http(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    allowed = _methods_at(request) if failure.status_code in (404, 405) else ""
    response = _answer(request, by_status(405 if allowed else failure.status_code))
    if allowed:
        response.headers["Allow"] = allowed
    return response


async def _on_fault(request: Request, _: Exception) -> Response:
    return _answer(request, InternalFault())  # the gate logs it: the framework raises it again


def _methods_at(request: Request) -> str:
    """Return every method that some door takes at this path (RFC 9110 section 10.2.1): a route knows its own only."""
    visit = visit_in(request)
    found = set(visit.lane_methods)
    for route in iter_route_contexts(request.app.routes):
        if route.methods and route.path_regex.match(visit.path):
            found |= route.methods
    return ", ".join(sorted(found | {"HEAD"} if "GET" in found else found))


def _answer(request: Request, problem: Problem) -> Response:
    path = visit_in(request).path
    if path.startswith(PAGES) and not path.startswith(f"{PAGE_PREFIX}/static/"):
        return _page_for(request, problem, path)
    status, body, headers = body_and_headers(problem, visit_in(request).request_id)
    response = Response(body, status)
    response.raw_headers = headers
    return response


def _page_for(request: Request, problem: Problem, path: str) -> Response:
    own_origin = edge_in(request).settings.public_url
    if problem.status == HTTPStatus.UNAUTHORIZED:
        place = STEP_UP if isinstance(problem, InsufficientAuthentication) else SIGN_IN
        # Back to where they were heading; a form that they sent is not repeated, so to the page that it stands on.
        came_from = path if request.method == "GET" else own_referer(visit_in(request).header(b"referer"), own_origin)
        return see_other(f"{place}?next={quote(came_from)}" if came_from else place)
    detail = problem.detail or (problem.errors[0].message if problem.errors else None)
    return page(
        request, "problem.html", refusal=problem, has_form=False, title=problem.title, detail=detail,
        request_id=visit_in(request).request_id, account=edge_in(request).guard.named_session(visit_in(request)),
    )  # fmt: skip
