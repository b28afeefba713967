"""People and their addresses: opened, proven, changed, deactivated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ostiary.accounts import queries
from ostiary.accounts.addresses import find_address_key
from ostiary.accounts.errors import AddressTaken, NoSuchAccount, UsernameTaken
from ostiary.accounts.letters import DISOWN
from ostiary.accounts.memory import Memory
from ostiary.accounts.names import name_key
from ostiary.accounts.permissions import check_permission
from ostiary.accounts.personal import personal
from ostiary.accounts.queries import Account, Claim, Status
from ostiary.core.clock import millis
from ostiary.core.db import Duplicate
from ostiary.core.errors import FieldError, InvalidFields
from ostiary.core.secrets import new_id

if TYPE_CHECKING:
    from ostiary.accounts.addresses import Address
    from ostiary.accounts.names import Username
    from ostiary.accounts.profile import ProfileChange
    from ostiary.accounts.resting import RestingNames
    from ostiary.accounts.settings import AccountSettings
    from ostiary.core.caller import Caller
    from ostiary.core.clock import Millis
    from ostiary.core.crypto import AccountKeys
    from ostiary.core.db import Database, Unit
    from ostiary.core.signals import Signals
    from ostiary.web.languages import Languages

MOST_LISTED = 1000


class Accounts:
    """The house's register of people.

    `remembered` is exact: whatever changes an account signals it, and every
    process drops its copy before it answers the next request (R55).
    """

    def __init__(
        self, database: Database, keys: AccountKeys, signals: Signals, names: RestingNames, languages: Languages,
        settings: AccountSettings,
    ) -> None:  # fmt: skip
        self._database = database
        self._keys = keys
        self._names = names
        self._languages = languages
        self._settings = settings
        self._memory = Memory(signals, settings.remembered)
        self._remembered = self._memory.accounts
        signals.on("account", self._keys.forget)

    async def open(self, unit: Unit, username: Username, address: Address, full_name: str) -> Account:
        """Open a provisional account; its address is a claim until it is proven (D4).

        It keeps the language of the caller: later letters may be caused by strangers, who must not choose it.

        Raises:
            UsernameTaken: The name, or one that looks like it, belongs to somebody.
        """
        now, language = unit.now, unit.caller.language
        account = Account(
            new_id(now), username.shown, full_name, address.shown, None, "provisional", 1, now, language=language
        )
        await self._open(unit, account, username, address.key, now + millis(self._settings.provisional_lifetime))
        unit.note("account.opened", account.id)
        return account

    async def open_machine(self, unit: Unit, username: Username) -> Account:
        """Open the account of a machine: no password, no address, no sign-in; known by API keys alone.

        Raises:
            UsernameTaken: The name, or one that looks like it, belongs to somebody.
        """
        account = Account(new_id(unit.now), username.shown, "", "", None, "active", 1, unit.now, kind="machine")
        await self._open(unit, account, username, "", None)
        unit.note("account.machine_opened", account.id)
        return account

    async def machines(self, after: str = "", most: int = 100) -> list[Account]:
        """Return the accounts of machines, after one id."""
        return await self._database.all(queries.MACHINES, after=after, most=min(most, MOST_LISTED))

    async def find_by_login(self, unit: Unit, login: str) -> str | None:
        """Return the id of the account that a name or a proven address names, or None."""
        is_address = "@" in login  # no username holds one
        name = "" if is_address else name_key(login)
        address = find_address_key(login) or "" if is_address else ""
        found = await unit.find(queries.BY_LOGIN, name=name, address=address)
        return found.id if found else None

    async def is_name_taken(self, unit: Unit, username: Username) -> bool:
        """Return whether a name, or one that looks like it, belongs to somebody, or did until a while ago."""
        taken = await unit.find(queries.NAME_TAKEN, key=username.key, skeleton=username.skeleton)
        return taken is not None or await self._names.holds(unit, username.key, username.skeleton)

    async def get(self, unit: Unit, account_id: str) -> Account:
        """Return an account as stored.

        Raises:
            NoSuchAccount: It is not there.
        """
        account = await self.find(unit, account_id)
        if account is None:
            raise NoSuchAccount
        return account

    async def find(self, unit: Unit, account_id: str) -> Account | None:
        """Return an account as stored, or None."""
        return await unit.find(queries.BY_ID, account_id=account_id)

    async def remembered(self, account_id: str) -> Account | None:
        """Return an account from memory, reading it once; call only with a fresh view."""
        account = self._remembered.get(account_id)
        if account is not None:
            return account
        before = self._memory.drops
        account = await self._database.find(queries.BY_ID, account_id=account_id)
        if account is not None and before == self._memory.drops:  # nothing changed while we read
            self._memory.keep(account)
        return account

    def glance(self, account_id: str) -> Account | None:
        """Return an account if it is in memory."""
        return self._remembered.get(account_id)

    async def change_profile(self, caller: Caller, account_id: str, change: ProfileChange) -> Account:
        """Change what one may change of one's own account at will.

        Raises:
            InvalidFields: No letters are written in that language.
        """
        language = self._known(change.language) if change.language else change.language
        async with self._database.unit(caller) as unit:
            if change.full_name is not msgspec.UNSET:
                await unit.run(queries.RENAME, account_id=account_id, full_name=change.full_name)
            if language is not msgspec.UNSET:
                await unit.run(queries.CHOOSE_LANGUAGE, account_id=account_id, language=language)
            if change.fields:
                unit.note("account.profile_changed", account_id, fields=change.fields)
                unit.signal("account", account_id)
            return await self.get(unit, account_id)

    def _known(self, language: str) -> str:
        found = self._languages.find(language)
        if found is None:
            known = ", ".join(self._languages.tags)
            raise InvalidFields(errors=(FieldError("language", f"There are letters in {known}.", "unknown-language"),))
        return found

    async def claim_address(self, unit: Unit, account_id: str, address: Address) -> Claim:
        """Note that an account says an address is its own; an older claim of it falls."""
        lapses_at = unit.now + millis(self._settings.claim_lifetime)
        claim = Claim(new_id(unit.now), account_id, address.shown, address.key, lapses_at)
        await unit.run(
            queries.CLAIM, id=claim.id, account_id=account_id, email=claim.email, email_key=claim.email_key,
            claimed_at=unit.now, lapses_at=lapses_at,
        )  # fmt: skip
        unit.note("address.claimed", account_id, private={"email": claim.email})
        return claim

    async def find_claim(self, unit: Unit, claim_id: str) -> Claim | None:
        """Return a claim that is still open, or None."""
        claim = await unit.find(queries.CLAIM_BY_ID, claim_id=claim_id)
        return claim if claim is not None and claim.lapses_at > unit.now else None

    async def claim_of(self, unit: Unit, account_id: str) -> Claim | None:
        """Return the open claim of an account, or None."""
        claim = await unit.find(queries.CLAIM_OF, account_id=account_id)
        return claim if claim is not None and claim.lapses_at > unit.now else None

    async def drop_claims(self, unit: Unit, account_id: str) -> None:
        """Let the open claim of an account fall: whoever made it may not have been its owner."""
        if await unit.run(queries.DROP_CLAIMS, account_id=account_id):
            unit.note("address.claim_dropped", account_id)

    async def find_holder(self, unit: Unit, email_key: str) -> Account | None:
        """Return the account that has proven this address, or None."""
        return await unit.find(queries.BY_PROVEN_ADDRESS, email_key=email_key)

    async def prove(self, unit: Unit, claim_id: str) -> tuple[Account, str | None] | None:
        """Make a claimed address the account's own.

        Returns:
            The account as it is now, and the address it had proven before if
            there was one; None if the claim is no longer open.

        Raises:
            AddressTaken: Another account has proven it first.
        """
        claim = await unit.find(queries.SETTLE_CLAIM, claim_id=claim_id, now=unit.now)
        if claim is None:
            return None
        before = await self.get(unit, claim.account_id)
        if not before.is_alive or before.is_machine:  # an address would be a way to sign in
            return None
        try:
            await unit.run(
                queries.SET_PROVEN, account_id=claim.account_id, email=claim.email, email_key=claim.email_key,
                now=unit.now,
            )  # fmt: skip
        except Duplicate:
            raise AddressTaken from None
        unit.note("address.proven", claim.account_id, private={"email": claim.email})
        unit.signal("account", claim.account_id)
        previous = before.email if before.email_verified and before.email != claim.email else None
        return await self.get(unit, claim.account_id), previous

    async def raise_epoch(self, unit: Unit, account_id: str) -> Account:
        """End everything granted to the account so far, whatever its kind (D13).

        Raises:
            NoSuchAccount: It is not there.
        """
        if not await unit.run(queries.RAISE_EPOCH, account_id=account_id):
            raise NoSuchAccount
        unit.signal("account", account_id)
        return await self.get(unit, account_id)

    async def set_status(self, unit: Unit, account_id: str, was: Status, becomes: Status) -> bool:
        """Move an account from one status to another; False if it was not in the first.

        An account that is opened is not erased any more; one that is closed stays so, whoever keeps it.
        """
        moved = await unit.run(queries.SET_STATUS, account_id=account_id, was=was, becomes=becomes)
        if moved and becomes == "deactivated":
            await self.stay_closed(unit, account_id)
        elif moved and was == "deactivated":
            await unit.run(queries.END_ERASURE, of_account=account_id)
        if moved:
            unit.note("account.status_changed", account_id, was=was, becomes=becomes)
            unit.signal("account", account_id)
        return bool(moved)

    async def permit(self, unit: Unit, account_id: str, permission: str) -> bool:
        """Let an account do something; False if it might already.

        Raises:
            InvalidFields: No permission is written like this.
            NoSuchAccount: It is not there.
        """
        check_permission(permission)
        await self.get(unit, account_id)
        granted = await unit.run(queries.PERMIT, account_id=account_id, permission=permission)
        if granted:
            unit.note("account.permission_granted", account_id, permission=permission, by=unit.caller.account_id)
            unit.signal("account", account_id)
        return bool(granted)

    async def forbid(self, unit: Unit, account_id: str, permission: str) -> bool:
        """Take a permission back, at once and from every session; False if the account had not got it."""
        revoked = await unit.run(queries.FORBID, account_id=account_id, permission=permission)
        if revoked:
            unit.note("account.permission_revoked", account_id, permission=permission, by=unit.caller.account_id)
            unit.signal("account", account_id)
        return bool(revoked)

    async def delete(self, unit: Unit, account_id: str) -> None:
        """Delete an account and all that hangs on it; its journal entries lose what is personal.

        Raises:
            NoSuchAccount: It is not there.
        """
        if not await unit.run(queries.DELETE, account_id=account_id):
            raise NoSuchAccount
        unit.note("account.deleted", account_id)
        unit.signal("account", account_id)

    # --- Erasing, and keeping after all

    async def begin_erasure(self, unit: Unit, account_id: str, due_at: Millis) -> queries.Erasure | None:
        """Close an account at once, to be erased at a moment; None if another act on it was quicker.

        Raises:
            NoSuchAccount: It is not there.
        """
        await self._alone(unit, account_id)
        account = await self.get(unit, account_id)
        if await self.erasure_of(unit, account_id) is not None:
            return None
        if account.is_alive and not await self.set_status(unit, account_id, account.status, "deactivated"):
            return None
        erasure = queries.Erasure(account_id, new_id(unit.now), unit.now, due_at, account.status)
        if not await unit.run(queries.BEGIN_ERASURE, **msgspec.structs.asdict(erasure)):
            return None
        unit.note("account.erasure_asked", account_id, due_at=due_at)
        return erasure

    async def erasure_of(self, unit: Unit, account_id: str) -> queries.Erasure | None:
        """Return what is to happen to an account that is to be erased, or None."""
        return await unit.find(queries.ERASURE_OF, account_id=account_id)

    async def keep(self, unit: Unit, account_id: str) -> bool:
        """Erase an account no more, and open it again if it was open; False if it was not to be erased."""
        await self._alone(unit, account_id)
        erasure = await unit.find(queries.END_ERASURE, of_account=account_id)
        if erasure is None:
            return False
        if erasure.was != "deactivated":
            await self.set_status(unit, account_id, "deactivated", erasure.was)
        unit.note("account.kept", account_id)
        return True

    async def stay_closed(self, unit: Unit, account_id: str) -> None:
        """Let an account that is to be erased stay closed even if it is kept."""
        await unit.run(queries.STAY_CLOSED, of_account=account_id)

    async def erasures_due(self, by: Millis, most: int = 100) -> list[queries.Erasure]:
        """Return whose time is over by a moment, the longest waiting first."""
        return await self._database.all(queries.ERASURES_DUE, now=by, most=most)

    async def erase(self, unit: Unit, account_id: str, *, by: Millis, names_rest_until: Millis) -> bool:
        """Erase an account whose time is over; False if it was kept, or is gone already.

        Its row goes with all that hangs on it, its data key first of all: what
        that sealed in the journal can be read by nobody any more (D12). Names
        of accounts that had proven an address rest; others stood for nobody.

        Args:
            unit: The transaction.
            account_id: Which.
            by: Erase what is due at this moment.
            names_rest_until: Until then its name is given to nobody else.
        """
        await self._alone(unit, account_id)
        erased = await unit.find(queries.ERASE, account_id=account_id, by=by)
        if erased is None:
            return False
        if erased.email_proven_at is not None:
            await self._names.rest(unit, erased.username_key, erased.username_skeleton, names_rest_until)
        unit.note("account.erased", account_id)
        unit.signal("account", account_id)
        return True

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return what is stored here about a person, for their export.

        Raises:
            NoSuchAccount: It is not there.
        """
        return personal(
            await self.get(unit, account_id),
            (await unit.get(queries.LAPSES_AT, account_id=account_id)).lapses_at,
            await unit.all(queries.CLAIMS_OF, account_id=account_id),
            await self.erasure_of(unit, account_id),
        )

    async def _open(
        self, unit: Unit, account: Account, username: Username, email_key: str, lapses_at: Millis | None
    ) -> None:
        try:
            await unit.run(
                queries.OPEN, id=account.id, username=account.username, username_key=username.key,
                username_skeleton=username.skeleton, full_name=account.full_name, email=account.email,
                email_key=email_key, email_proven_at=None, status=account.status, epoch=account.epoch,
                created_at=account.created_at, lapses_at=lapses_at, language=account.language, kind=account.kind,
            )  # fmt: skip
        except Duplicate:
            raise UsernameTaken from None
        # After the insert: that one waits for an erasure which is just freeing the name, and then sees it rest.
        if await self._names.holds(unit, username.key, username.skeleton):
            raise UsernameTaken
        await self._keys.create(unit, account.id)

    @staticmethod
    async def _alone(unit: Unit, account_id: str) -> None:
        """Keep other acts that end or save an account out; the same lock as that of "this wasn't me"."""
        await unit.lock(f"{DISOWN} {account_id}")

    async def listed(self, after: str = "", most: int = 100) -> list[Account]:
        """Return accounts in the order in which they were opened, after one id."""
        return await self._database.all(queries.EVERYBODY, after=after, most=min(most, MOST_LISTED))

    async def in_status(self, status: Status, after: str = "", most: int = 100) -> list[Account]:
        """Return accounts in one status, after one id."""
        return await self._database.all(queries.IN_STATUS, status=status, after=after, most=min(most, MOST_LISTED))

    async def lapse(self, caller: Caller) -> int:
        """Delete accounts and claims whose time to be proven is over; return how many accounts."""
        async with self._database.unit(caller) as unit:
            gone = await unit.all(queries.LAPSE_ACCOUNTS, now=unit.now)
            for account in gone:
                unit.note("account.lapsed", account.id)
                unit.signal("account", account.id)
            await unit.run(queries.LAPSE_CLAIMS, now=unit.now)
            return len(gone)
