"""Second factors: what each of them does for the front desk, and which an account has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from ostiary.core.db import Query
from ostiary.sessions import HeldFactor, acr_of, together

if TYPE_CHECKING:
    from ostiary.client import Strength
    from ostiary.core.caller import Caller
    from ostiary.core.clock import Millis
    from ostiary.core.db import Database, Unit
    from ostiary.passkeys import Passkeys

PASSKEY: Final = "passkey"
STAND_IN: Final = "recovery_code"
"""Stands in for another factor that is not at hand: by itself it is none, and nobody is asked for it."""


class FactorProof(Protocol):
    """Evidence that an answer was right, of the slice that looked at it; confirmed in the unit that acts on it."""

    @property
    def account_id(self) -> str:
        """Whose factor it was."""
        ...


class SecondFactor(Protocol):
    """Something that is shown as text: a code from an app, from a list, from a message.

    Attributes:
        method: The API's word for it.
        amr: What a session says of it (RFC 8176).
        held: Yields a row for each that an account has set up; takes `account_id`.
    """

    @property
    def method(self) -> str: ...  # noqa: D102 - above
    @property
    def amr(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def held(self) -> Query[HeldFactor]: ...  # noqa: D102

    async def prove(self, caller: Caller, account_id: str, answer: str, bound_to: str) -> Any | None:  # noqa: ANN401
        """Return evidence that an answer is right, or None; slow work is done here, outside units.

        Args:
            caller: Who asks.
            account_id: Whose factor it has to be.
            answer: As typed.
            bound_to: The attempt, or the session, that a code was sent for.
        """
        ...

    async def confirm(self, unit: Unit, proof: Any) -> bool:  # noqa: ANN401
        """Use an answer up by one conditional write; False if somebody was quicker (D10)."""
        ...

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Remove it from an account."""
        ...

    async def forget_since(self, unit: Unit, account_id: str, since: Millis) -> None:
        """Remove what was set up at a moment or later (decision 34)."""
        ...

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return what is stored about it, for its owner's export."""
        ...


@runtime_checkable
class Sent(Protocol):
    """A factor whose code has to be sent first."""

    async def send(self, caller: Caller, account_id: str, bound_to: str) -> None:
        """Send a code that is good for one attempt, or for one session.

        Raises:
            LimitReached: Enough were sent.
        """
        ...


class SecondFactors:
    """Knows every kind of second factor, and asks an account for all of them by one read.

    Args:
        passkeys: They have a ceremony of their own.
        codes: The others, in the order in which people see them; what stands in for them comes last.
    """

    def __init__(self, database: Database, passkeys: Passkeys, *codes: SecondFactor) -> None:
        self._database = database
        self._passkeys = passkeys
        self._codes = {factor.method: factor for factor in codes}
        self._held = Query.all_of([passkeys.held, *(factor.held for factor in codes)])

    async def held(self, unit: Unit, account_id: str) -> tuple[HeldFactor, ...]:
        """Return what an account has set up."""
        return tuple(await unit.all(self._held, account_id=account_id))

    def is_owed(self, held: Iterable[HeldFactor], methods: Iterable[str]) -> bool:
        """Return whether an account wants a second factor beside what was shown."""
        return acr_of(methods) == "aal1" and any(one.method != STAND_IN for one in held)

    async def loses_protection(self, unit: Unit, account_id: str, since: Millis) -> bool:
        """Return whether `forget_since` takes what has protected an account for longer than that."""
        held = await self.held(unit, account_id)
        old = {one.method for one in held if one.since < since} - {STAND_IN}
        return old == {PASSKEY}

    def methods(self, held: Iterable[HeldFactor]) -> tuple[str, ...]:
        """Return what an account can show, each once, in the order in which it is offered."""
        has = {one.method for one in held}
        return tuple(method for method in (PASSKEY, *self._codes) if method in has)

    def code(self, held: Iterable[HeldFactor], method: str) -> SecondFactor | None:
        """Return the factor of a name, if it is shown as text and the account has it."""
        return self._codes.get(method) if any(one.method == method for one in held) else None

    def strongest(self, held: Iterable[HeldFactor]) -> Strength:
        """Return how strong a sign-in to an account with these factors can be."""
        methods = {one.method for one in held}
        if PASSKEY in methods:
            return "phr"
        words = (self._codes[method].amr for method in methods - {STAND_IN} if method in self._codes)
        return "aal2" if any(acr_of(together(("pwd",), amr)) != "aal1" for amr in words) else "aal1"

    async def highest(self, account_id: str) -> Strength:
        """Return how strong a sign-in to an account can be, as it is now."""
        async with self._database.unit() as unit:
            return self.strongest(await self.held(unit, account_id))

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Remove every second factor of an account."""
        await self._passkeys.forget_all(unit, account_id)
        for factor in self._codes.values():
            await factor.forget_all(unit, account_id)

    async def forget_since(self, unit: Unit, account_id: str, since: Millis) -> None:
        """Remove what was set up at a moment or later, and every passkey: one alone opens the account (decision 34)."""
        await self._passkeys.forget_all(unit, account_id)
        for factor in self._codes.values():
            await factor.forget_since(unit, account_id, since)
