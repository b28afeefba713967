"""Raising an alert: written with its cause, told once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary.alerts import queries
from ostiary.alerts.kinds import KINDS
from ostiary.alerts.notice import Notice
from ostiary.core.clock import Millis, iso, millis
from ostiary.core.secrets import new_id

if TYPE_CHECKING:
    from ostiary.alerts.queries import Alert
    from ostiary.alerts.settings import AlertSettings
    from ostiary.alerts.sinks import Sinks, Told
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox
    from ostiary.core.secrets import Macs

KEPT = timedelta(days=400)
MOST_LISTED = 1000


class Alerts:
    """Tells the keepers what they must know, in the transaction of what happened."""

    def __init__(self, database: Database, macs: Macs, sinks: Sinks, outbox: Outbox, settings: AlertSettings) -> None:
        self._database = database
        self._macs = macs
        self.sinks = sinks
        self._outbox = outbox
        self._settings = settings
        sinks.serve(outbox)

    async def raise_(
        self,
        unit: Unit,
        kind: str,
        *,
        account_id: str | None = None,
        subject: str = "",
        private: dict[str, str] | None = None,
        **details: Any,  # noqa: ANN401 - numbers and words
    ) -> bool:
        """Raise an alert as part of a unit; False if it was raised a while ago and only counts one more.

        Call it late in a unit that will commit: it holds the alert's row until
        then. A unit that a Problem refuses undoes it, unless that Problem keeps its deed.

        Args:
            unit: The transaction of the cause.
            kind: A key of `KINDS`.
            account_id: Whom it concerns.
            subject: What else tells one alert of this kind from another, such
                as a client address; stored as a keyed digest only.
            private: What is personal: goes into the journal, sealed, and nowhere else.
            details: Numbers and words that name nobody; they leave the house.

        Raises:
            KeyError: There is no such kind.
        """
        severity = KINDS[kind].severity
        digest = self._macs.digest("alert", f"{kind} {account_id or ''} {subject}")
        quiet_until = unit.now + millis(self._settings.quiet)
        before = await unit.find(queries.CLOSE, as_open=digest, now=unit.now, latest=self._latest(unit))
        alert_id = new_id(unit.now)
        opened = await unit.get(
            queries.OPEN, id=alert_id, at=unit.now, kind=kind, severity=severity, account_id=account_id,
            subject=digest, count=1, last_at=unit.now, quiet_until=quiet_until, open_as=digest,
        )  # fmt: skip
        if opened.id != alert_id:
            return False
        if private:
            facts = msgspec.json.encode(private, order="sorted").decode()
            unit.note(
                "alert.raised", account_id, private={"facts": facts}, kind=kind, severity=severity, alert=alert_id,
                details=details,
            )  # fmt: skip
        else:
            unit.note("alert.raised", account_id, kind=kind, severity=severity, alert=alert_id, details=details)
        await self._tell(
            unit, Notice(alert_id, kind, severity, unit.now, account_id, details, before.number if before else 0)
        )
        return True

    async def journal_broken(self, unit: Unit, what: list[str]) -> None:
        """Raise an alert where the journal, written or about to be vouched for, is found not to be this house's own."""
        await self.raise_(unit, "journal_broken", parts=what)
        await self._outbox.flush(unit)  # the unit is past its own

    async def listed(self, *, since: Millis = 0, most: int = 50) -> list[Alert]:
        """Return alerts, the newest first."""
        return await self._database.all(queries.NEWEST, since=since, most=max(1, min(most, MOST_LISTED)))

    async def open(self) -> list[Alert]:
        """Return the alerts whose repetitions are counted now, the gravest first: no storm of others hides them."""
        return await self._database.all(queries.OPEN_NOW, now=self._database.clock.now(), most=MOST_LISTED)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return the alerts that concern an account, for its owner's export."""
        told = await unit.all(queries.OF_ACCOUNT, account_id=account_id)
        return {
            "alerts": [
                {
                    "id": alert.id, "at": iso(alert.at), "kind": alert.kind, "severity": alert.severity,
                    "count": alert.count, "last_at": iso(alert.last_at), "quiet_until": iso(alert.quiet_until),
                }
                for alert in told
            ]
        }  # fmt: skip

    async def test(self, caller: Caller) -> list[Told]:
        """Send a test to every sink now, past folding and queue, and return what became of it."""
        async with self._database.unit(caller) as unit:
            notice = Notice(new_id(unit.now), "test", KINDS["test"].severity, unit.now, None, {})
            unit.note("alert.test_sent", alert=notice.id)
        return await self.sinks.test(notice)

    async def prune(self) -> int:
        """Delete alerts that are over a year old."""
        return await self._database.run(queries.PRUNE, before=self._database.clock.now() - millis(KEPT))

    def _latest(self, unit: Unit) -> Millis:
        """Return when every quiet time that was begun by now is over; clocks of machines may differ by one."""
        return unit.now + 2 * millis(self._settings.quiet)

    async def _tell(self, unit: Unit, notice: Notice) -> None:
        """Queue a new alert, unless so many of its kind are new that they would bury everything else."""
        of_kind = await unit.get(
            queries.SPEND, name="alerts.kind", digest=self._macs.digest("alert kind", notice.kind), now=unit.now,
            latest=self._latest(unit), closes_at=unit.now + millis(self._settings.quiet),
        )  # fmt: skip
        notice = msgspec.structs.replace(notice, is_last=of_kind.number == self._settings.most_of_a_kind)
        unit.afterwards(partial(self.sinks.log, notice))
        if of_kind.number <= self._settings.most_of_a_kind:
            await self.sinks.queue(unit, notice)
