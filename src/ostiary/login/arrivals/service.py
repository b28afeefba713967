"""The journey that begins at a provider's answer: signed in, given an account, connected, or shown what to do (R31)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ostiary.accounts import (
    AddressTaken,
    Username,
    UsernameTaken,
    check_address,
    check_username,
    clean_display_text,
)
from ostiary.core.errors import InvalidFields
from ostiary.federation import AccountsNotOpened, AddressKnown, AddressNotVouched, IdentityTaken, ProvenIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ostiary.accounts import Account, Accounts, AccountSettings, Address
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.core.errors import Problem
    from ostiary.federation import Answer, Federation, Identities, Proof
    from ostiary.login.entrance import Entered
    from ostiary.login.identity import ByIdentity
    from ostiary.protection import Protection

_NOT_IN_NAMES = re.compile(r"[^a-z0-9_-]+")
MOST_NAMES = 8


class Arrived(NamedTuple):
    """Where somebody goes on who came back from a provider.

    Attributes:
        entered: The session that was started, or what is owed for one; None where one was connected to an account.
        place: A path of our own or an allowed address, or None for the usual place.
    """

    entered: Entered | None
    place: str | None


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Receives people from elsewhere.

    The states and what moves between them: docs/explanation/account-linking.md.
    """

    database: Database
    accounts: Accounts
    federation: Federation
    identities: Identities
    by_identity: ByIdentity
    protection: Protection
    settings: AccountSettings
    join_by_address: bool

    async def arrive(
        self, caller: Caller, slug: str, answer: Answer, browser: str | None, shown_session: str | None
    ) -> Arrived:
        """Go on with what a provider sends back.

        Args:
            caller: Who comes back.
            slug: From which provider: each has an address of its own here.
            answer: What it sends.
            browser: The browser that its cookie names.
            shown_session: The session that the browser's cookies name, or None.

        Raises:
            Problem: Nobody was let in and nothing connected; the journal says why.
        """
        proof = await self.federation.complete(caller, slug, answer, browser)
        intent = proof.transaction.intent
        if intent.purpose == "link":
            await self.identities.link(caller, proof, shown_session)
            return Arrived(None, intent.place or None)
        return Arrived(await self._signed_in(caller, proof), intent.place or None)

    async def _signed_in(self, caller: Caller, proof: Proof) -> Entered:
        """Sign in by `iss` and `sub`; whoever is unknown gets an account, or is shown the way to theirs."""
        async with self.database.unit(caller) as unit:
            known = await self.identities.find(unit, proof)
        return await self.by_identity.enter(caller, known or await self._welcomed(caller, proof))

    async def _welcomed(self, caller: Caller, proof: Proof) -> ProvenIdentity:
        """Return the proven identity of somebody whom nobody knows here yet."""
        if not proof.vouched:
            # An account with an address that nobody has proven could be prepared here for its owner to walk into.
            await self._refuse(caller, proof, "not-vouched", AddressNotVouched())
        address = check_address(proof.who.email or "", self.settings.addresses)
        async with self.database.unit(caller) as unit:
            holder = await self.accounts.find_holder(unit, address.key)
            known = await self.identities.find(unit, proof) if holder else None
        if known is not None:  # opened in another tab since we looked
            return known
        if holder is not None:
            return await self._known(caller, proof, holder)
        if not proof.provider.opens_accounts:
            await self._refuse(caller, proof, "accounts-not-opened", AccountsNotOpened())
        await self.protection.admit_signup(caller)
        return await self._opened(caller, proof, address)

    async def _known(self, caller: Caller, proof: Proof, holder: Account) -> ProvenIdentity:
        """Go on where the address is an account's own: it links nothing by itself, unless the keeper says so.

        Both have verified it then: the provider, believed in this, and the account's owner here.
        """
        if not self.join_by_address or not holder.is_alive:
            await self._refuse(caller, proof, "address-known", AddressKnown(), holder.id)
        async with self.database.unit(caller) as unit:
            account = await self.accounts.get(unit, holder.id)
            connection = await self.identities.attach(unit, account, proof)
            self.identities.tell(unit, "provider_linked", connection, proof.provider.label)
            return ProvenIdentity(proof, connection, account.epoch)

    async def _opened(self, caller: Caller, proof: Proof, address: Address) -> ProvenIdentity:
        """Open an account for somebody whose address their provider vouches for; all of it in one unit."""
        for username in _names(proof, self.settings):
            try:
                async with self.database.unit(caller) as unit:
                    account = await self.accounts.open(unit, username, address, _full_name(proof))
                    claim = await self.accounts.claim_address(unit, account.id, address)
                    await self.accounts.prove(unit, claim.id)
                    connection = await self.identities.attach(unit, account, proof)
                    return ProvenIdentity(proof, connection, account.epoch)
            except UsernameTaken:
                continue
            except (AddressTaken, IdentityTaken):  # by somebody at this very moment: the same person, in another tab?
                async with self.database.unit(caller) as unit:
                    known = await self.identities.find(unit, proof)
                if known is not None:
                    return known
                await self._refuse(caller, proof, "address-known", AddressKnown())
        raise UsernameTaken

    async def _refuse(
        self, caller: Caller, proof: Proof, reason: str, problem: Problem, account_id: str = ""
    ) -> NoReturn:
        async with self.database.unit(caller) as unit:
            _note(unit, proof, reason, account_id)
            raise problem


def _note(unit: Unit, proof: Proof, reason: str, account_id: str) -> None:
    unit.note("identity.refused", account_id or None, provider=proof.provider.slug, reason=reason)


def _names(proof: Proof, settings: AccountSettings) -> Iterator[Username]:
    """Yield names for a new account: what its owner is called there, then with a number, then any.

    Never made of the address: a username is public, an address is not.
    """
    stem = _NOT_IN_NAMES.sub("-", proof.who.username.partition("@")[0].lower()).strip("-_")[:40]
    wanted = [stem] if len(stem) >= 3 else []
    wanted += [f"{stem}-{secrets.randbelow(9000) + 1000}" for _ in range(3) if wanted]
    wanted += [f"{proof.provider.slug}-{secrets.token_hex(5)}" for _ in range(MOST_NAMES)]
    for name in wanted:
        try:
            yield check_username(name, settings.usernames)
        except InvalidFields:
            continue


def _full_name(proof: Proof) -> str:
    try:
        return clean_display_text(proof.who.name)
    except InvalidFields:
        return ""
