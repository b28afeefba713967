"""Sign-ins under way at a provider: bound to one browser, one provider and one purpose, answered once (ASVS 10.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from ostiary.core.clock import millis
from ostiary.core.secrets import new_id, new_secret, plain_digest
from ostiary.federation import queries
from ostiary.federation.errors import ElsewhereRefused

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.crypto import Sealer
    from ostiary.core.db import Database, Unit
    from ostiary.core.secrets import Macs

Purpose = Literal["sign-in", "link"]

STATE = "federation state"
BROWSER = "federation browser"
LONGEST_STATE = 128


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody goes to a provider for.

    Attributes:
        place: Where to lead them afterwards; allowed already.
        account_id: Whose act it is, where somebody signed in connects; from a verified credential (D13).
        session_id: Their session, which must still stand when they come back.
        scopes: Asked for besides the provider's own.
    """

    purpose: Purpose
    place: str
    account_id: str | None = None
    session_id: str | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes into the address at the provider, and what must come back with it."""

    state: str
    nonce: str
    verifier: str

    def __repr__(self) -> str:
        return "Sent(…)"


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that has just been used up: the evidence that this browser has begun it here."""

    id: str
    provider: str
    intent: Intent
    nonce: str
    verifier: str

    def __repr__(self) -> str:
        return f"Transaction({self.id})"


class _Kept(msgspec.Struct, frozen=True):
    """What lies sealed in the row."""

    nonce: str
    verifier: str
    place: str
    scopes: tuple[str, ...]


class Transactions:
    """Begins and uses up sign-ins that go by way of a provider."""

    def __init__(self, database: Database, macs: Macs, sealer: Sealer, lifetime: timedelta) -> None:
        self._database = database
        self._macs = macs
        self._sealer = sealer
        self._lifetime = lifetime

    # --- The browser

    def new_browser(self) -> str:
        """Return the text of a cookie that names a browser."""
        return self._macs.write(BROWSER, new_secret())

    def browser_in(self, held: str | None) -> str | None:
        """Return the browser that a genuine cookie names, or None."""
        fields = self._macs.read(BROWSER, held, 1) if held else None
        return fields[0] if fields else None

    # --- Begun and used up

    async def begin(self, caller: Caller, provider: str, browser: str, intent: Intent) -> Sent:
        """Remember that a browser goes to a provider, and return what it takes along."""
        sent = Sent(new_secret(), new_secret(), new_secret())
        async with self._database.unit(caller) as unit:
            identity = new_id(unit.now)
            kept = _Kept(sent.nonce, sent.verifier, intent.place, intent.scopes)
            await unit.run(
                queries.BEGIN, digest=self._macs.digest(STATE, sent.state), id=identity, provider=provider,
                browser=plain_digest(browser), purpose=intent.purpose, account_id=intent.account_id,
                session_id=intent.session_id, sealed=self._sealer.seal(msgspec.json.encode(kept), _place(identity)),
                expires_at=unit.now + millis(self._lifetime), spent_at=None,
            )  # fmt: skip
        return sent

    async def spend(self, caller: Caller, provider: str, state: str, browser: str | None) -> Transaction:
        """Use a transaction up: of any number of callbacks with one `state`, one gets it (D10).

        Raises:
            ElsewhereRefused: It is not this browser's, not of this provider, used, too old, or nobody's.
        """
        async with self._database.unit(caller) as unit:
            digests = self._macs.digests(STATE, state) if 0 < len(state) <= LONGEST_STATE else []
            for digest in digests if browser is not None else []:
                begun = await unit.find(
                    queries.SPEND, presented=digest, at_provider=provider, by_browser=plain_digest(browser or ""),
                    now=unit.now,
                )  # fmt: skip
                if begun is not None:
                    return self._opened(begun)
            reason = await self._doubt(unit, provider, digests, browser)
            unit.note("identity.refused", provider=provider, reason=reason)
            raise ElsewhereRefused

    def _opened(self, begun: queries.Begun) -> Transaction:
        kept = msgspec.json.decode(self._sealer.open(begun.sealed, _place(begun.id)), type=_Kept)
        intent = Intent(
            "link" if begun.purpose == "link" else "sign-in", kept.place, begun.account_id, begun.session_id,
            kept.scopes,
        )  # fmt: skip
        return Transaction(begun.id, begun.provider, intent, kept.nonce, kept.verifier)

    async def _doubt(self, unit: Unit, provider: str, digests: list[bytes], browser: str | None) -> str:
        """Return what was wrong, for the journal and nobody else."""
        for digest in digests:
            begun = await unit.find(queries.LOOK, digest=digest)
            if begun is None:
                continue
            if begun.provider != provider:
                return "other-provider"  # RFC 9700 section 4.4: mix-up
            if browser is None or begun.browser != plain_digest(browser):
                return "other-browser"
            return "spent" if begun.spent_at is not None else "expired"
        return "unknown-state"

    async def prune(self) -> int:
        """Drop transactions that ended an hour ago or more."""
        return await self._database.run(queries.PRUNE, before=self._database.clock.now() - millis(timedelta(hours=1)))


def _place(identity: str) -> str:
    return f"federation_transactions {identity} sealed"
