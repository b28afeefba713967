"""Roles: permissions under a name, given to accounts and taken back, effective with the next request everywhere."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ostiary.accounts import NoSuchAccount, check_permission, clean_display_text
from ostiary.core.clock import iso, millis
from ostiary.core.db import Duplicate
from ostiary.core.errors import FieldError, InvalidFields
from ostiary.core.secrets import new_id
from ostiary.roles import queries
from ostiary.roles.errors import BeyondOwnPermissions, LastKeeper, NoSuchRole, RoleTaken, TooManyPermissions
from ostiary.web.standing import NotPermitted

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.roles.queries import Held, Holder, Role

RequireSession = Callable[["Unit", "Account"], Awaitable[None]]
"""Refuses whoever acts in a unit if their session is over."""

WRITE: Final = "roles:write"
"""What a keeper needs for every act here; of the living people who may, one has to be left."""

LONGEST: Final = 2000
"""Characters of an account's permissions in a token, so that its cookie stays within the 4096 that browsers keep."""

MOST_LISTED: Final = 1000
KEPT: Final = timedelta(days=1)
"""How long a deleted role stays with who held it: verifiers elsewhere are told of each of them."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_LOCK = "roles"


@dataclass(frozen=True, slots=True)
class Hand:
    """Whose hand gives and takes: a keeper's, who has no more to give than they hold, unless it says otherwise.

    Attributes:
        scopes: What the API key was made for that the keeper acts by; None is: no key.
        is_operator: Whether it is the command line's, which may do everything.
    """

    caller: Caller
    scopes: tuple[str, ...] | None = None
    is_operator: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a role; what is not named stays, so that two keepers do not undo each other's work."""

    description: str | None = None
    permit: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rights:
    """What an account may do, and why."""

    account: Account
    roles: list[Held]
    direct: tuple[str, ...]


class Roles:
    """What may be done together, and by whom.

    Whoever changes any of it holds one lock until their unit ends: what a keeper may give, and whether a
    keeper is left, is read from what all others have finished.
    """

    def __init__(self, database: Database, accounts: Accounts, require_session: RequireSession) -> None:
        self._database = database
        self._accounts = accounts
        self._require_session = require_session

    async def add(self, hand: Hand, name: str, description: str, permissions: Iterable[str]) -> Role:
        """Make a role.

        Raises:
            InvalidFields: No role or permission is written like this.
            RoleTaken: There is one of this name.
            BeyondOwnPermissions: The keeper lacks one of the permissions.
            TooManyPermissions: It would permit more than a token can hold.
        """
        wanted = _checked(permissions)
        described = clean_display_text(description)
        async with self._database.unit(hand.caller) as unit:
            await self._require(unit, hand, wanted)
            role_id = new_id(unit.now)
            try:
                await unit.run(queries.ADD, role_id=role_id, name=check_role(name), description=described, now=unit.now)
            except Duplicate:
                raise RoleTaken from None
            for permission in sorted(wanted):
                await unit.run(queries.PERMIT, role_id=role_id, permission=permission)
            _refuse_overfull(wanted)
            unit.note("role.created", hand.caller.account_id, role=name, permissions=sorted(wanted))
            return await self._get(unit, name)

    async def change(self, hand: Hand, name: str, change: Change) -> Role:
        """Change what a role permits, for all its holders at once, and what is said about it.

        Raises:
            NoSuchRole: It is not there.
            InvalidFields: No permission is written like this.
            BeyondOwnPermissions: The keeper lacks a permission of the role, or of the change.
            LastKeeper: Nobody would be left who may change roles.
            TooManyPermissions: Somebody would have more than a token can hold.
        """
        permit, forbid = _checked(change.permit), _checked(change.forbid)
        async with self._database.unit(hand.caller) as unit:
            role = await self._touched(unit, hand, name, permit | forbid)
            may_end = await self._may_end_keeping(unit, hand, forbid)
            given = [one for one in sorted(permit) if await unit.run(queries.PERMIT, role_id=role.id, permission=one)]
            taken = [one for one in sorted(forbid) if await unit.run(queries.FORBID, role_id=role.id, permission=one)]
            if change.description is not None:
                await unit.run(
                    queries.DESCRIBE, role_id=role.id, description=clean_display_text(change.description)
                )  # fmt: skip
            if given:
                _refuse_overfull((*role.permissions, *given))
                if await unit.find(queries.OVERFULL, role_id=role.id, longest=LONGEST) is not None:
                    raise TooManyPermissions
            if may_end:
                await self._require_keeper(unit, hand)
            if given or taken:
                unit.signal("role", role.id)
            unit.note(
                "role.changed", hand.caller.account_id, role=name, permitted=given, forbidden=taken,
                described=change.description is not None,
            )  # fmt: skip
            return await self._get(unit, name)

    async def remove(self, hand: Hand, name: str) -> int:
        """Delete a role, and with it what it permitted, everywhere at once; return how many accounts held it.

        Raises:
            NoSuchRole: It is not there.
            BeyondOwnPermissions: The keeper lacks a permission of the role.
            LastKeeper: Nobody would be left who may change roles.
        """
        async with self._database.unit(hand.caller) as unit:
            role = await self._touched(unit, hand, name)
            may_end = await self._may_end_keeping(unit, hand, role.permissions)
            holders = (await unit.get(queries.COUNT_HOLDERS, role_id=role.id)).number
            if not await unit.run(queries.UNNAME, role_id=role.id, now=unit.now):
                raise NoSuchRole
            await unit.run(queries.EMPTY, role_id=role.id)
            if may_end:
                await self._require_keeper(unit, hand)
            unit.note("role.deleted", hand.caller.account_id, role=name, holders=holders)
            unit.signal("role", role.id)
            return holders

    async def grant(self, hand: Hand, name: str, account_id: str) -> bool:
        """Give an account a role; False if it had it.

        Raises:
            NoSuchRole: It is not there.
            NoSuchAccount: It is not there.
            BeyondOwnPermissions: The keeper lacks a permission of the role.
            TooManyPermissions: The account would have more than a token can hold.
        """
        async with self._database.unit(hand.caller) as unit:
            role = await self._touched(unit, hand, name)
            await self._accounts.get(unit, account_id)
            given = await unit.run(queries.GRANT, account_id=account_id, role_id=role.id, now=unit.now)
            if given:
                _refuse_overfull((await self._accounts.get(unit, account_id)).permissions)
                _be_quiet(unit)
                unit.note("role.granted", account_id, role=name, by=hand.caller.account_id)
                unit.signal("account", account_id)
            return bool(given)

    async def revoke(self, hand: Hand, name: str, account_id: str) -> bool:
        """Take a role back from an account, at once and from every session; False if it had not got it.

        Raises:
            NoSuchRole: It is not there.
            NoSuchAccount: It is not there.
            BeyondOwnPermissions: The keeper lacks a permission of the role.
            LastKeeper: Nobody would be left who may change roles.
        """
        async with self._database.unit(hand.caller) as unit:
            role = await self._touched(unit, hand, name)
            await self._accounts.get(unit, account_id)
            may_end = await self._may_end_keeping(unit, hand, role.permissions)
            taken = await unit.run(queries.REVOKE, account_id=account_id, role_id=role.id)
            if may_end:
                await self._require_keeper(unit, hand)
            if taken:
                _be_quiet(unit)
                unit.note("role.revoked", account_id, role=name, by=hand.caller.account_id)
                unit.signal("account", account_id)
            return bool(taken)

    async def permit(self, hand: Hand, account_id: str, permission: str) -> bool:
        """Give an account a permission of its own; False if it had it so.

        Raises:
            InvalidFields: No permission is written like this.
            NoSuchAccount: It is not there.
            BeyondOwnPermissions: The keeper lacks it.
            TooManyPermissions: The account would have more than a token can hold.
        """
        wanted = _checked((permission,))
        async with self._database.unit(hand.caller) as unit:
            await self._require(unit, hand, wanted)
            _refuse_overfull(wanted.union((await self._accounts.get(unit, account_id)).permissions))
            _be_quiet(unit)
            return await self._accounts.permit(unit, account_id, permission)

    async def forbid(self, hand: Hand, account_id: str, permission: str) -> bool:
        """Take back a permission that an account was given directly; False if it had not got it so.

        Raises:
            InvalidFields: No permission is written like this.
            NoSuchAccount: It is not there.
            BeyondOwnPermissions: The keeper lacks it.
            LastKeeper: Nobody would be left who may change roles.
        """
        wanted = _checked((permission,))
        async with self._database.unit(hand.caller) as unit:
            await self._require(unit, hand, wanted)
            await self._accounts.get(unit, account_id)
            may_end = await self._may_end_keeping(unit, hand, wanted)
            taken = await self._accounts.forbid(unit, account_id, permission)
            if may_end:
                await self._require_keeper(unit, hand)
            _be_quiet(unit)
            return taken

    # --- Looking

    async def get(self, name: str) -> Role:
        """Return a role.

        Raises:
            NoSuchRole: It is not there.
        """
        async with self._database.unit() as unit:
            return await self._get(unit, name)

    async def listed(self, after: str = "", most: int = 100) -> list[Role]:
        """Return roles by name, after one."""
        return await self._database.all(queries.LISTED, after=after, most=min(most, MOST_LISTED))

    async def holders(self, role_id: str, after: str = "", most: int = 100) -> list[Holder]:
        """Return who holds a role, or held it when it was deleted, after one account."""
        return await self._database.all(queries.HOLDERS, role_id=role_id, after=after, most=min(most, MOST_LISTED))

    async def count_holders(self, role_id: str) -> int:
        """Return how many accounts hold a role."""
        return (await self._database.all(queries.COUNT_HOLDERS, role_id=role_id))[0].number

    async def rights(self, account_id: str) -> Rights:
        """Return what an account may do.

        Raises:
            NoSuchAccount: It is not there.
        """
        async with self._database.unit() as unit:
            found = await self._accounts.get(unit, account_id)
            direct = await unit.all(queries.DIRECT, account_id=found.id)
            held = await unit.all(queries.OF_ACCOUNT, account_id=found.id)
            return Rights(found, held, tuple(one.permission for one in direct))

    async def account_named(self, username: str) -> str:
        """Return the id of an account by its name, and by nothing else.

        Not by an address: names are public, and who has which address is nothing that a keeper of roles is told. Not
        by an id: somebody might have chosen another's for a name.

        Raises:
            NoSuchAccount: It is not there.
        """
        async with self._database.unit() as unit:
            found = None if "@" in username else await self._accounts.find_by_login(unit, username)
        if found is None:
            raise NoSuchAccount
        return found

    async def has_keeper(self) -> bool:
        """Return whether any living person may change roles."""
        async with self._database.unit() as unit:
            return await self._has_keeper(unit)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return an account's roles for its export."""
        found = await unit.all(queries.OF_ACCOUNT, account_id=account_id)
        return {
            "roles": [
                {"id": role.id, "name": role.name, "description": role.description, "since": iso(role.since)}
                for role in found
            ]
        }

    async def prune(self) -> int:
        """Delete the rows of roles that were deleted a day ago: no token of then is alive."""
        return await self._database.run(queries.PRUNE, before=self._database.clock.now() - millis(KEPT))

    # --- What every act asks

    async def _touched(self, unit: Unit, hand: Hand, name: str, also: frozenset[str] = frozenset()) -> Role:
        """Return a role that is to be touched by somebody who may do all that it permits, and more if need be."""
        held = await self._held(unit, hand)
        role = await self._get(unit, name)
        self._refuse_beyond(unit, hand, held, also.union(role.permissions))
        return role

    async def _require(self, unit: Unit, hand: Hand, permissions: frozenset[str]) -> None:
        self._refuse_beyond(unit, hand, await self._held(unit, hand), permissions)

    async def _held(self, unit: Unit, hand: Hand) -> frozenset[str] | None:
        """Return what there is to give, as it is now, with everybody else kept out; None is everything.

        The door looks at memory, and before: whoever lost a right in the meantime has nothing to give, and whose
        session was ended gives nothing at all (D13).
        """
        await unit.lock(_LOCK)
        if hand.is_operator:
            return None
        account = await self._accounts.get(unit, hand.caller.account_id or "")
        if hand.scopes is None:
            await self._require_session(unit, account)
        held = frozenset(account.permissions if account.is_alive else ())
        held = held if hand.scopes is None else held.intersection(hand.scopes)
        if WRITE not in held:
            raise NotPermitted
        return held

    @staticmethod
    def _refuse_beyond(unit: Unit, hand: Hand, held: frozenset[str] | None, permissions: frozenset[str]) -> None:
        missing = permissions - held if held is not None else frozenset()
        if missing:
            unit.note("role.refused", hand.caller.account_id, reason="beyond-own", permissions=sorted(missing))
            raise BeyondOwnPermissions(missing)

    async def _has_keeper(self, unit: Unit) -> bool:
        return await unit.find(queries.MAY, permission=WRITE) is not None

    async def _may_end_keeping(self, unit: Unit, hand: Hand, taken: Iterable[str]) -> bool:
        """Return whether an act may leave nobody who could change roles, where there is somebody now."""
        return not hand.is_operator and WRITE in taken and await self._has_keeper(unit)

    async def _require_keeper(self, unit: Unit, hand: Hand) -> None:
        """Refuse what was done in this unit if nobody is left who could change roles."""
        if not await self._has_keeper(unit):
            unit.notes.clear()  # what they tell is undone
            unit.note("role.refused", hand.caller.account_id, reason="last-keeper", permissions=[WRITE])
            raise LastKeeper

    async def _get(self, unit: Unit, name: str) -> Role:
        role = await unit.find(queries.BY_NAME, name=name)
        if role is None:
            raise NoSuchRole
        return role


def check_role(name: str) -> str:
    """Return the name of a role as it is.

    Raises:
        InvalidFields: No role is written like this.
    """
    if not _NAME.fullmatch(name):
        words = "A role looks like night-porter: small letters, digits and -, at most 64."
        raise InvalidFields(words, errors=(FieldError("role", words, "role"),))
    return name


def _checked(permissions: Iterable[str]) -> frozenset[str]:
    return frozenset(check_permission(name) for name in permissions)


def _refuse_overfull(permissions: Iterable[str]) -> None:
    if sum(len(name) + 3 for name in permissions) > LONGEST:
        raise TooManyPermissions


def _be_quiet(unit: Unit) -> None:
    """Leave a keeper's address and browser out of entries about somebody else, who gets them in their export."""
    unit.caller = replace(unit.caller, address=None, agent=None)
