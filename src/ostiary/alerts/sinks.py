"""Where alerts go: the log, the keepers' mailboxes, the receivers of webhooks."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from ostiary.alerts import queries
from ostiary.alerts.kinds import KINDS
from ostiary.alerts.notice import Notice
from ostiary.core.clock import millis, moment
from ostiary.core.jobs import PATIENT_ATTEMPTS
from ostiary.core.outbound import OutboundFailed, OutboundRefused

if TYPE_CHECKING:
    from ostiary.alerts.settings import AlertSettings, Webhook
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox
    from ostiary.core.outbound import Outbound
    from ostiary.mail import Letters, Post

log = logging.getLogger("ostiary.alerts")

LETTER, WEBHOOK = "alert.letter", "alert.webhook"
LEVELS = {"notice": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}
GONE = 410

FIRST_REST, LONGEST_REST = millis(timedelta(seconds=30)), millis(timedelta(minutes=10))
"""How long a receiver that kept us waiting is left alone: letters share the outbox, and must not wait with us."""


class ReceiverRefused(Exception):  # noqa: N818 - reads as what it says
    """The receiver of a webhook did not say that it took it; the outbox tries again."""


class ReceiverRests(Exception):  # noqa: N818 - reads as what it says
    """It did not answer in time a moment ago; the outbox tries again."""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one delivery of a test."""

    sink: str
    is_well: bool
    words: str


class Receiver:
    """One receiver of webhooks.

    Attributes:
        name: Names it in jobs and logs: its host and a part of its URL's digest, for the URL may be a secret.
        is_gone: Whether it said 410 since this process started: nothing more is sent to it.
    """

    def __init__(self, webhook: Webhook, database: Database, outbound: Outbound) -> None:
        self._webhook = webhook
        self._database = database
        self._outbound = outbound
        digest = hashlib.sha256(webhook.url.encode()).hexdigest()[:8]
        self.job = f"{WEBHOOK}.{digest}"
        self.name = f"{urlsplit(webhook.url).hostname} ({digest})"
        self.is_gone = False
        self._rest = self._rests_until = 0

    def wants(self, kind: str) -> bool:
        """Return whether alerts of a kind are for it."""
        return not self.is_gone and (not self._webhook.kinds or kind in self._webhook.kinds)

    async def waiting(self, unit: Unit, most: int) -> int:
        """Return how many alerts wait for it, counted up to `most`."""
        return (await unit.get(queries.WAITING, of_job=self.job, most=most)).number

    async def judge(self) -> None:
        """See whether the house may go there.

        Raises:
            OutboundRefused: It may not.
            OutboundFailed: The name cannot be resolved.
        """
        await self._outbound.judge(self._webhook.url)

    async def take(self, payload: dict[str, Any]) -> None:
        """Deliver a job of the outbox."""
        if self.is_gone:
            return
        if self._database.clock.now() < self._rests_until:
            raise ReceiverRests
        try:
            status = await self.deliver(msgspec.convert(payload["notice"], Notice))
        except OutboundFailed as failure:
            if str(failure) == TimeoutError.__name__:
                self._let_rest()
            raise
        self._rest = 0
        if status == GONE:
            self.is_gone = True
            log.error("the receiver %s is gone (410); nothing is sent to it until a restart", self.name)
        elif not 200 <= status < 300:
            log.warning("the receiver %s answered %d", self.name, status)
            raise ReceiverRefused

    def _let_rest(self) -> None:
        now = self._database.clock.now()
        if now < self._rests_until:  # of deliveries that waited side by side, the first counts
            return
        self._rest = min(max(FIRST_REST, 2 * self._rest), LONGEST_REST)
        self._rests_until = now + self._rest

    async def deliver(self, notice: Notice) -> int:
        """Send it once and return the receiver's status.

        Raises:
            OutboundRefused: The house does not go there.
            OutboundFailed: No answer in time and bounds.
        """
        body = notice.body()
        reply = await self._outbound.request(
            "POST", self._webhook.url, content=body, headers=self._signed(notice, body)
        )
        return reply.status

    def _signed(self, notice: Notice, body: bytes) -> list[tuple[str, str]]:
        """Return the three headers of Standard Webhooks; the id stays over retries, the time is the attempt's."""
        import standardwebhooks  # noqa: PLC0415 - only who has receivers pays for it

        sent_at = moment(self._database.clock.now())
        secrets = (self._webhook.secret, *self._webhook.former_secrets)
        signatures = [standardwebhooks.Webhook(secret).sign(notice.id, sent_at, body.decode()) for secret in secrets]
        return [
            ("webhook-id", notice.id),
            ("webhook-timestamp", str(int(sent_at.timestamp()))),
            ("webhook-signature", " ".join(signatures)),
        ]


class Sinks:
    """Queues an alert for everybody who shall hear of it, and delivers what was queued."""

    def __init__(
        self, database: Database, letters: Letters, post: Post, outbound: Outbound, settings: AlertSettings
    ) -> None:
        self._letters = letters
        self._post = post
        self._settings = settings
        self.receivers = tuple(Receiver(webhook, database, outbound) for webhook in settings.webhooks)

    def serve(self, outbox: Outbox) -> None:
        """Take the jobs of alerts from now on; each receiver has a job of its own, so none waits for another."""
        outbox.on(LETTER, self.send, attempts=PATIENT_ATTEMPTS)
        for receiver in self.receivers:
            outbox.on(receiver.job, receiver.take, attempts=PATIENT_ATTEMPTS)

    async def queue(self, unit: Unit, notice: Notice) -> None:
        """Queue an alert for mail and webhooks, in the transaction of its cause."""
        told = msgspec.to_builtins(notice)
        for address in self._settings.mail_to:
            unit.later(LETTER, to=address, notice=told)
        for receiver in self.receivers:
            if not receiver.wants(notice.kind):
                continue
            if await receiver.waiting(unit, self._settings.backlog) >= self._settings.backlog:
                unit.afterwards(
                    partial(log.error, "too many alerts wait for %s; %s is only listed", receiver.name, notice.id)
                )
                continue
            unit.later(receiver.job, notice=told)

    def log(self, notice: Notice) -> None:
        """Write an alert to the log: ids and numbers on one line."""
        log.log(LEVELS[notice.severity], "alert %s", msgspec.json.encode(notice).decode())

    async def send(self, payload: dict[str, Any]) -> None:
        """Deliver a letter of the outbox, if its reader is still a keeper."""
        if payload["to"] in self._settings.mail_to:
            await self._write(payload["to"], msgspec.convert(payload["notice"], Notice))

    async def test(self, notice: Notice) -> list[Told]:
        """Send one to everybody now, and return what became of it."""
        self.log(notice)
        acts = [(f"mail to {address}", partial(self._written, address, notice)) for address in self._settings.mail_to]
        acts += [(f"webhook to {one.name}", partial(_answered, one, notice)) for one in self.receivers]
        return [Told("log", is_well=True, words="written"), *[await _tried(sink, act) for sink, act in acts]]

    async def _written(self, address: str, notice: Notice) -> Told:
        await self._write(address, notice)
        return Told(f"mail to {address}", is_well=True, words=f"delivered {self._post.where}")

    async def _write(self, address: str, notice: Notice) -> None:
        kind = KINDS[notice.kind]
        # In the keepers' language: the request that raised the alert may be an attacker's.
        letter = self._letters.compose(
            "alert", address, language=self._letters.languages.default, alert=notice.kind, alert_id=notice.id,
            severity=notice.severity, words=kind.words, advice=kind.advice, facts=notice.facts, when=moment(notice.at),
        )  # fmt: skip
        await self._post.deliver(letter)


async def _answered(receiver: Receiver, notice: Notice) -> Told:
    status = await receiver.deliver(notice)
    return Told(f"webhook to {receiver.name}", is_well=200 <= status < 300, words=f"answered {status}")


async def _tried(sink: str, act: Callable[[], Awaitable[Told]]) -> Told:
    try:
        return await act()
    except (OutboundRefused, OutboundFailed) as failure:
        return Told(sink, is_well=False, words=str(failure))
    except Exception as failure:  # noqa: BLE001 - a test tells of whatever happens; a message may name people
        return Told(sink, is_well=False, words=type(failure).__name__)
