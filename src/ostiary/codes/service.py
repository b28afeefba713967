"""Recovery codes: made with the first second factor, each good once, gone with the last one (decision 35)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ostiary.codes import queries
from ostiary.codes.errors import NoSecondFactor
from ostiary.codes.writing import canonical, grouped, new_code
from ostiary.core.clock import iso, iso_or_none
from ostiary.web.reception import AddressNotProven

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.codes.queries import Code, Standing
    from ostiary.core.caller import Caller
    from ostiary.core.clock import Millis
    from ostiary.core.crypto import Sealer
    from ostiary.core.db import Database, Query, Unit
    from ostiary.sessions import HeldFactor

NUMBER = 10
LOW = 3
"""So many left, or fewer, and the owner is told to make new ones."""

PURPOSE = "recovery code"

IsSetUp = Callable[["Unit", str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class CodeProof:
    """Evidence that an unused code of an account was shown, to be confirmed in the unit that acts on it (D13)."""

    account_id: str
    digest: bytes = field(repr=False)


class RecoveryCodes:
    """Keeps keyed digests of codes, never a code; a second factor of the front desk, for who has another."""

    method: str = "recovery_code"
    amr: tuple[str, ...] = ("rc",)
    held: Query[HeldFactor] = queries.HELD

    def __init__(self, database: Database, accounts: Accounts, sealer: Sealer) -> None:
        self._database = database
        self._accounts = accounts
        self._sealer = sealer
        self._others: tuple[IsSetUp, ...] = ()

    def stand_in_for(self, *others: IsSetUp) -> None:
        """Say which second factors there are: codes live as long as one of these is set up."""
        self._others += others

    # --- Made and gone with other factors

    async def begin(self, unit: Unit, account_id: str) -> tuple[str, ...]:
        """Make an account's codes with its first second factor, to be shown once; nothing if it has some.

        Whoever adds a factor calls it in the unit that does, and tells the owner.
        """
        await self._alone(unit, account_id)
        if await unit.find(queries.OF_ACCOUNT, account_id=account_id) is not None:
            return ()
        return await self._make(unit, account_id)

    async def end_if_last(self, unit: Unit, account_id: str) -> None:
        """Drop an account's codes if no second factor is left; whoever removes a factor calls it in the same unit."""
        await self._alone(unit, account_id)
        if not await self._has_another(unit, account_id):
            await self.forget_all(unit, account_id)

    async def renew(self, caller: Caller) -> tuple[str, ...]:
        """Replace the caller's codes, used and unused, by new ones that are shown once; tell the owner.

        Raises:
            NoSecondFactor: There is nothing that they could stand in for.
            AddressNotProven: Nobody could be told of it.
        """
        account_id = caller.account_id or ""
        async with self._database.unit(caller) as unit:
            await self._alone(unit, account_id)  # of two at once the later one's codes are good, and only those
            account = await self._accounts.get(unit, account_id)
            if not account.is_alive or not account.email_verified:
                raise AddressNotProven
            if not await self._has_another(unit, account_id):
                raise NoSecondFactor
            codes = await self._make(unit, account_id)
            self._tell(unit, "recovery_codes_made", account_id)
        return codes

    # --- Proving: what the front desk asks of every second factor

    async def is_set_up(self, unit: Unit, account_id: str) -> bool:
        """Return whether an account has a code left, and a factor that it stands in for."""
        return await self._left(unit, account_id) > 0 and await self._has_another(unit, account_id)

    async def prove(self, caller: Caller, account_id: str, answer: str, bound_to: str) -> CodeProof | None:
        """Return evidence that this is an unused code of the account, or None.

        Guesses are counted by who asks.

        Args:
            caller: Who asks.
            account_id: Whose code.
            answer: As typed, in any case, with spaces and dashes anywhere.
            bound_to: Unused: paper knows nothing of attempts.
        """
        code = canonical(answer)
        async with self._database.unit(caller) as unit:
            stored = await unit.all(queries.OF_ACCOUNT, account_id=account_id)
            has_another = await self._has_another(unit, account_id)
        found = self._found(stored, account_id, code) if code else None
        if found is not None and found.used_at is None and has_another:
            return CodeProof(account_id, found.digest)
        async with self._database.unit(caller) as unit:
            unit.note("code.refused", account_id, reason="wrong" if found is None else "used")
        return None

    async def confirm(self, unit: Unit, proof: CodeProof) -> bool:
        """Use a code up; False if it was, also by somebody at the same moment, or is replaced by now."""
        if not await unit.run(queries.SPEND, of_account=proof.account_id, shown=proof.digest, now=unit.now):
            unit.note("code.refused", proof.account_id, reason="used")
            return False
        left = await self._left(unit, proof.account_id)
        unit.note("code.used", proof.account_id, left=left)
        if left <= LOW:
            self._tell(unit, "recovery_codes_low", proof.account_id, left=left)
        return True

    # --- Keeping

    async def standing(self, account_id: str) -> Standing:
        """Return how many of an account's codes are left."""
        found = await self._database.find(queries.STANDING, account_id=account_id)
        assert found is not None
        return found

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Remove every code of an account."""
        await self._alone(unit, account_id)  # else those that are being made at this moment would stay
        removed = await unit.run(queries.REMOVE_ALL, of_account=account_id)
        if removed:
            unit.note("codes.forgotten", account_id, number=removed)

    async def forget_since(self, unit: Unit, account_id: str, since: Millis) -> None:
        """Remove the codes that were made at a moment or later (decision 34), and all if nothing else is left."""
        await self._alone(unit, account_id)
        removed = await unit.run(queries.REMOVE_YOUNG, of_account=account_id, since=since)
        if removed:
            unit.note("codes.forgotten", account_id, number=removed)
        await self.end_if_last(unit, account_id)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return when an account's codes were made and used, for its export."""
        stored = await unit.all(queries.OF_ACCOUNT, account_id=account_id)
        return {
            "recovery_codes": [{"made_at": iso(one.made_at), "used_at": iso_or_none(one.used_at)} for one in stored]
        }  # fmt: skip

    # --- Between

    async def _make(self, unit: Unit, account_id: str) -> tuple[str, ...]:
        await unit.run(queries.REMOVE_ALL, of_account=account_id)
        codes = tuple(new_code() for _ in range(NUMBER))
        for code in codes:
            await unit.run(queries.ADD, account_id=account_id, digest=self._digests(account_id, code)[0], now=unit.now)
        unit.note("codes.issued", account_id, number=NUMBER)
        return tuple(grouped(code) for code in codes)

    def _digests(self, account_id: str, code: str) -> list[bytes]:
        # Under the data keys: those for digests are destroyed after four months, and paper waits for years.
        return self._sealer.marks(PURPOSE, f"{account_id} {code}")

    def _found(self, stored: list[Code], account_id: str, code: str) -> Code | None:
        digests = self._digests(account_id, code)
        matching = [one for one in stored for digest in digests if secrets.compare_digest(one.digest, digest)]
        return matching[0] if matching else None

    async def _left(self, unit: Unit, account_id: str) -> int:
        return (await unit.get(queries.STANDING, account_id=account_id)).left

    async def _has_another(self, unit: Unit, account_id: str) -> bool:
        for is_set_up in self._others:
            if await is_set_up(unit, account_id):
                return True
        return False

    async def _alone(self, unit: Unit, account_id: str) -> None:
        """Keep others out who make or drop this account's codes, until the unit ends."""
        await unit.lock(f"recovery codes {account_id}")

    def _tell(self, unit: Unit, kind: str, account_id: str, **more: Any) -> None:  # noqa: ANN401 - as a job's payload
        unit.later(
            "letter", kind=kind, account_id=account_id, when=unit.now, agent=unit.caller.agent or "",
            address=unit.caller.address or "unknown", **more,
        )  # fmt: skip
