"""Open WebSockets: each hangs on a session, and ends with it, on every process (R41, D1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ostiary.core.errors import Problem, Unavailable
from ostiary.sessions.errors import NotSignedIn, TooManySockets
from ostiary.web.reception import identity_of

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.client.identity import Identity
    from ostiary.core.clock import Clock, Millis
    from ostiary.core.signals import Signals
    from ostiary.keys import Keys
    from ostiary.sessions.guard import Identity as Known
    from ostiary.sessions.service import Sessions
    from ostiary.sessions.settings import SessionSettings
    from ostiary.sessions.view import Revocations

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.02
"""How often this process looks for news while a socket is open: where no push wakes it (SQLite), some microseconds."""


@dataclass(slots=True, eq=False)
class Hold:
    """What holds one socket open.

    Attributes:
        identity: Whom it belongs to, as the account is now.
        known: What was proven when it was opened, or proven anew.
        key_id: The key whose signature proved it; None where the database did.
        close: Told why, once, when it must end; must not wait.
    """

    identity: Identity
    known: Known
    key_id: str | None
    close: Callable[[Problem], None]


class Sockets:
    """The sockets of this process, by session and by account.

    No socket asks the database. One task looks for news as long as there is
    any socket; a session's row is read once when its first token would have
    lapsed, and then when it would have ended by itself.
    """

    def __init__(
        self, signals: Signals, revocations: Revocations, sessions: Sessions, accounts: Accounts, keys: Keys,
        clock: Clock, settings: SessionSettings,
    ) -> None:  # fmt: skip
        self._signals = signals
        self._revocations = revocations
        self._sessions = sessions
        self._accounts = accounts
        self._keys = keys
        self._clock = clock
        self._most = settings.sockets_per_account
        self._of_session: dict[str, list[Hold]] = {}
        self._of_account: dict[str, list[Hold]] = {}
        self._until: dict[str, Millis] = {}
        self._look_at: Millis = 0  # no session's time is up before
        self._watching: asyncio.Task[None] | None = None
        self._rereading: dict[str, asyncio.Task[None]] = {}
        signals.on("session", self._session_ended)
        signals.on("account", self._account_changed)
        signals.on("role", self._role_changed)
        keys.on_change(self._keys_changed)

    def __len__(self) -> int:
        return sum(map(len, self._of_session.values()))

    def hang(self, hold: Hold) -> None:
        """Let a socket stay open as long as its session.

        Looks once more at what is in memory: what ended while the credential
        was being looked at must not be missed between the look and this.

        Raises:
            NotSignedIn: The session or the account has ended in the meantime.
            TooManySockets: The account has enough of them on this process.
        """
        self._require_standing(hold.known)
        if len(self._of_account.get(hold.known.account_id, ())) >= self._most:
            raise TooManySockets
        self._of_account.setdefault(hold.known.account_id, []).append(hold)
        self._hang_on_session(hold)
        if self._accounts.glance(hold.known.account_id) is None:
            self._account_changed(hold.known.account_id)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="sockets")

    def move(self, hold: Hold, known: Known, key_id: str | None) -> None:
        """Let an open socket go on by another proof of the same person.

        Raises:
            NotSignedIn: It is somebody else's, or has ended; the socket stays as it was.
        """
        # D13: a socket never changes hands, whatever is shown on it.
        if known.account_id != hold.known.account_id or not self._holds(hold):
            raise NotSignedIn
        self._require_standing(known)
        self._take_from(self._of_session, hold.known.session_id, hold)
        hold.known, hold.key_id, hold.identity = known, key_id, identity_of(known)
        self._hang_on_session(hold)

    def let_go(self, hold: Hold) -> None:
        """Forget a socket that has closed."""
        self._take_from(self._of_session, hold.known.session_id, hold)
        self._take_from(self._of_account, hold.known.account_id, hold)

    async def close(self) -> None:
        """End the watch, as the house closes; whoever is still here may come back, and is not signed out."""
        for task in (self._watching, *self._rereading.values()):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._watching = None
        self._end(self._all(), Unavailable())

    def _hang_on_session(self, hold: Hold) -> None:
        claims = hold.known.claims
        self._of_session.setdefault(claims.sid, []).append(hold)
        # A session outlives each of its tokens unless it is ended, and of that the feed tells.
        until = max(self._until.get(claims.sid, 0), claims.exp * 1000)
        self._until[claims.sid] = until
        self._look_at = min(self._look_at or until, until)

    def _require_standing(self, known: Known) -> None:
        account = self._accounts.glance(known.account_id)
        if known.session_id in self._revocations:
            raise NotSignedIn
        if account is not None and (account.epoch != known.claims.epoch or not account.is_alive):
            raise NotSignedIn

    def _holds(self, hold: Hold) -> bool:
        return hold in self._of_account.get(hold.known.account_id, ())

    def _take_from(self, held: dict[str, list[Hold]], key: str, hold: Hold) -> None:
        holds = held.get(key)
        if holds is None or hold not in holds:
            return
        holds.remove(hold)
        if not holds:
            del held[key]
            if held is self._of_session:
                self._until.pop(key, None)

    def _session_ended(self, session_id: str) -> None:
        self._end(self._of_session.get(session_id, ()), NotSignedIn())

    def _account_changed(self, account_id: str) -> None:
        """Read an account anew, once for all of its sockets: it may have moved on, or have other rights now."""
        if account_id in self._of_account:
            before = self._rereading.get(account_id)
            reading = asyncio.get_running_loop().create_task(self._reread(account_id, before))
            self._rereading[account_id] = reading
            reading.add_done_callback(lambda done: self._has_reread(account_id, done))

    def _role_changed(self, _: str) -> None:
        """Read anew whoever is not in memory any more: that is where holders of the role were dropped from."""
        for account_id in [*self._of_account]:
            if self._accounts.glance(account_id) is None:
                self._account_changed(account_id)

    def _has_reread(self, account_id: str, done: asyncio.Task[None]) -> None:
        if self._rereading.get(account_id) is done:
            del self._rereading[account_id]

    async def _reread(self, account_id: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        try:
            account = await self._accounts.remembered(account_id)
        except Exception as failure:  # noqa: BLE001 - nobody can say (D14)
            self._end(self._of_account.get(account_id, ()), _refusal(failure))
            return
        for hold in [*self._of_account.get(account_id, ())]:
            if account is None or not account.is_alive or account.epoch != hold.known.claims.epoch:
                self._end((hold,), NotSignedIn())
            else:
                hold.identity = identity_of(type(hold.known)(account, hold.known.claims))

    def _keys_changed(self) -> None:
        """End what a key has proven that proves nothing any more: it was killed, or retired long ago."""
        holds = self._all()
        gone = {key_id for key_id in {hold.key_id for hold in holds} if key_id and self._keys.find(key_id) is None}
        self._end([hold for hold in holds if hold.key_id in gone], NotSignedIn())

    def _all(self) -> list[Hold]:
        return [hold for holds in self._of_session.values() for hold in holds]

    def _end(self, holds: Iterable[Hold], refusal: Problem) -> None:
        for hold in [*holds]:
            self.let_go(hold)
            hold.close(refusal)

    async def _watch(self) -> None:
        """Hear of news within the bound, and close everything if nobody can tell (D14)."""
        while self._of_session:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if not self._signals.is_fresh():
                    await self._signals.refresh()
                if self._keys.is_stale:
                    await self._keys.reload()
                now = self._clock.now()
                if now >= self._look_at:
                    await self._look_at_sessions(now)
            except Exception as failure:  # noqa: BLE001 - whatever it is, no socket stays open unwatched
                name = type(failure).__name__
                log.warning("%d sockets are closed: nobody can say if their sessions stand (%s)", len(self), name)
                self._end(self._all(), _refusal(failure))

    async def _look_at_sessions(self, now: Millis) -> None:
        """Read each session whose known time is up, and learn until when it lives if nobody uses it."""
        for session_id in [session_id for session_id, until in self._until.items() if until <= now]:
            session = await self._sessions.find(session_id)
            if session is None or not session.lives(now):
                self._session_ended(session_id)
            elif session_id in self._until:
                self._until[session_id] = min(session.idle_ends_at, session.ends_at)
        self._look_at = min(self._until.values(), default=0)


def _refusal(failure: Exception) -> Problem:
    return failure if isinstance(failure, Problem) else Unavailable()
