"""Judges sign-ins by what their account is used to, and learns from those that were accepted (R13)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary.core.clock import iso
from ostiary.core.crypto import Unsealable
from ostiary.risk import queries
from ostiary.risk.baseline import NOTHING, Baseline, packed, unpacked
from ostiary.risk.facts import Signs, gather
from ostiary.risk.learning import learned
from ostiary.risk.networks import BadNetworks
from ostiary.risk.verdict import Assessment, assess

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.crypto import AccountKeys
    from ostiary.core.db import Unit
    from ostiary.risk.places import Places
    from ostiary.risk.settings import RiskSettings


class Risk:
    """Turns facts about a sign-in into a verdict; carries nothing out itself.

    Args:
        keys: Seal each account's habits under its own key (D12).
        places: Finds where an address is.
        settings: The live policy, and the list of known-bad networks.

    Raises:
        Misconfigured: The list of networks cannot be read.
    """

    def __init__(self, keys: AccountKeys, places: Places, settings: RiskSettings) -> None:
        self._keys = keys
        self._places = places
        self.policy = settings
        self._policy_name = settings.fingerprint()
        self._bad_networks = BadNetworks(settings.bad_networks)
        self._bad_networks.load()

    async def look(
        self, unit: Unit, caller: Caller, account_id: str, *, known_device: bool, failures: int = 0,
        under_review: bool = False, breached: bool = False, under_attack: bool = False,
    ) -> Assessment:  # fmt: skip
        """Return the verdict on a sign-in whose password was right; writes nothing about it.

        Habits that cannot be read count as none: a verdict is never a reason not to answer (D14).

        Args:
            unit: Read in it.
            caller: Whose address is judged.
            account_id: Whom the password opened.
            known_device: Whether the caller's browser signed in to this account before.
            failures: Wrong passwords of strangers for this account lately.
            under_review: Whether the account is under review.
            breached: Whether the password is in a published leak.
            under_attack: Whether the server is.
        """
        version, baseline = await self._habits(unit, account_id)
        if version is not None and baseline is NOTHING:
            unit.note("habits.broken", account_id)  # edited in the database, or written by a later version
        place = self._places.find(caller.address)
        signs = Signs(
            known_device=known_device, failures=failures, under_review=under_review, breached=breached,
            bad_network=caller.address in self._bad_networks, under_attack=under_attack,
            country_refused=self._places.refuses(place),
        )  # fmt: skip
        facts = gather(unit.now, caller.address, place, baseline, signs)
        return assess(facts, self.policy, named=self._policy_name)

    async def learn(self, unit: Unit, account_id: str, assessment: Assessment) -> bool:
        """Add an accepted sign-in to the account's habits; to be called in the unit that starts the session.

        Of sign-ins at one moment one is learned from, the others are lost as observations and as nothing else.

        Returns:
            Whether it was learned; False also for an account that is erased.
        """
        wrapper = await self._keys.find(unit, account_id)
        if wrapper is None:
            return False
        was, baseline = await self._habits(unit, account_id)
        becomes = (was or 0) + 1
        plain = packed(learned(baseline, assessment.facts))
        sealed = wrapper.seal(plain, _context(account_id, becomes))
        if was is None:
            return bool(
                await unit.run(
                    queries.BEGIN, account_id=account_id, sealed=sealed, signins=becomes, updated_at=unit.now
                )
            )
        return bool(
            await unit.run(
                queries.REPLACE, of_account=account_id, was=was, sealed=sealed, becomes=becomes, now=unit.now
            )
        )

    async def forget(self, unit: Unit, account_id: str) -> None:
        """Drop the habits of an account: somebody else may have taught them."""
        if await unit.run(queries.FORGET, account_id=account_id):
            unit.note("habits.forgotten", account_id)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return what was learned about an account's sign-ins, opened, for its owner's export."""
        updated = await unit.find(queries.UPDATED_AT, account_id=account_id)
        version, baseline = await self._habits(unit, account_id)
        if updated is None or version is None:
            return {"habits": None}
        opened = None if baseline is NOTHING else msgspec.to_builtins(baseline)  # edited, or of a later version
        return {"habits": {"signins": version, "updated_at": iso(updated.updated_at), "learned": opened}}

    async def tend(self) -> None:
        """Read the list of known-bad networks again if its file has changed; a chore of every process."""
        await asyncio.to_thread(self._bad_networks.renew)

    async def _habits(self, unit: Unit, account_id: str) -> tuple[int | None, Baseline]:
        """Return the version of the stored habits, or None if there are none, and the habits."""
        stored = await unit.find(queries.FIND, account_id=account_id)
        wrapper = await self._keys.find(unit, account_id) if stored is not None else None
        if stored is None or wrapper is None:
            return None, NOTHING
        try:
            plain = wrapper.open(stored.sealed, _context(account_id, stored.signins))
        except Unsealable:
            return stored.signins, NOTHING
        return stored.signins, unpacked(plain) or NOTHING


def _context(account_id: str, signins: int) -> str:
    # With the version: habits of last year copied over today's do not open beside today's number.
    return f"risk_baselines {account_id} {signins}"
