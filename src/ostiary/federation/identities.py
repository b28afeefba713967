"""Who is whom: identities elsewhere, connected with accounts here by `iss` and `sub` alone (R31)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ostiary.accounts import clean_display_text
from ostiary.core.clock import iso, iso_or_none
from ostiary.core.db import Duplicate
from ostiary.core.errors import InvalidFields, Problem
from ostiary.core.secrets import new_id
from ostiary.federation import queries
from ostiary.federation.errors import (
    ElsewhereRefused,
    IdentityTaken,
    LastConnection,
    NoSuchConnection,
    ProviderConnected,
)
from ostiary.federation.queries import Connection
from ostiary.federation.tokens import REVOKE
from ostiary.web.reception import AddressNotProven

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.federation.proof import Proof
    from ostiary.federation.queries import Access
    from ostiary.federation.tokens import UpstreamTokens
    from ostiary.sessions import Sessions

HasWayIn = Callable[["Unit", str], Awaitable[bool]]
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class ProvenIdentity:
    """A proof, and the account that it opens: for the front desk.

    Attributes:
        epoch: The account's when it was found; whatever ended everything since ends this, too (D13).
    """

    proof: Proof
    connection: Connection
    epoch: int


class Identities:
    """Keeps which identities open which accounts. What decides is written down in one place:
    docs/explanation/account-linking.md.
    """  # noqa: D205

    def __init__(
        self, database: Database, accounts: Accounts, sessions: Sessions, tokens: UpstreamTokens,
        has_other_way: HasWayIn,
    ) -> None:  # fmt: skip
        self._database = database
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens
        self._has_other_way = has_other_way

    async def find(self, unit: Unit, proof: Proof) -> ProvenIdentity | None:
        """Return which account an identity opens, or None; looks at nothing but `iss` and `sub`."""
        who = proof.who
        connection = await unit.find(queries.BY_SUBJECT, issuer=who.issuer, subject=who.subject)
        if connection is None:
            return None
        account = await self._accounts.get(unit, connection.account_id)
        return ProvenIdentity(proof, connection, account.epoch)

    async def confirm(self, unit: Unit, proven: ProvenIdentity) -> bool:
        """Note that a connection was used, and what its provider says now; False if it was removed meanwhile."""
        connection, who = proven.connection, proven.proof.who
        used = await unit.run(
            queries.USE, connection_id=connection.id, of_account=connection.account_id, told_email=who.email,
            told_verified=who.email_verified, told_name=_name(proven.proof), now=unit.now,
        )  # fmt: skip
        if not used:
            unit.note("identity.refused", connection.account_id, provider=connection.provider, reason="disconnected")
            return False
        self._note_address(unit, connection, proven.proof)
        await self._tokens.keep(unit, connection, proven.proof)
        return True

    async def attach(self, unit: Unit, account: Account, proof: Proof) -> Connection:
        """Connect an identity with an account; the caller has looked at why that may be.

        Raises:
            IdentityTaken: It opens another account.
            ProviderConnected: Another user of this provider opens this one.
        """
        connection = Connection(
            id=new_id(unit.now), account_id=account.id, provider=proof.provider.slug, issuer=proof.who.issuer,
            subject=proof.who.subject, email=proof.who.email, email_verified=proof.who.email_verified,
            name=_name(proof), linked_at=unit.now, last_used_at=None,
        )  # fmt: skip
        if await unit.find(queries.AT_PROVIDER, account_id=account.id, provider=connection.provider) is not None:
            self._refuse(unit, account.id, proof, "provider-connected", ProviderConnected())
        try:
            await unit.run(queries.ADD, **{name: getattr(connection, name) for name in Connection.__struct_fields__})
        except Duplicate:  # at the very same moment, somewhere else
            self._refuse(unit, account.id, proof, "taken", IdentityTaken())
        unit.note(
            "identity.linked", account.id, provider=connection.provider, connection=connection.id,
            private={"email": connection.email, "name": connection.name},
        )  # fmt: skip
        return connection

    async def link(self, caller: Caller, proof: Proof, shown_session: str | None) -> Connection:
        """Connect an identity with the account of whoever went to the provider for that, and tell the owner.

        The account is that of the transaction, begun after a sign-in just now; its session must still stand, under
        the lock under which "this wasn't me" takes connections away.

        Args:
            caller: Who comes back.
            proof: Who they are at the provider.
            shown_session: The session that the browser's cookies name, or None; another one is a mix-up.

        Raises:
            ElsewhereRefused: The session has ended, or the browser is in another one by now.
            AddressNotProven: Nobody could be told of it, and a claimed account must not be prepared for its owner.
            IdentityTaken: The identity opens another account.
            ProviderConnected: Another user of this provider is connected.
        """
        intent = proof.transaction.intent
        account_id, session_id = intent.account_id or "", intent.session_id or ""
        async with self._database.unit(caller) as unit:
            await unit.lock(ways_in(account_id))
            account = await self._accounts.find(unit, account_id)
            stands = account is not None and await self._sessions.stands(unit, session_id, account)
            if account is None or not stands or shown_session not in (None, session_id):
                self._refuse(unit, account_id, proof, "session", ElsewhereRefused())
            if not account.is_alive or not account.email_verified:
                self._refuse(unit, account_id, proof, "address", AddressNotProven())
            held = await unit.find(queries.BY_SUBJECT, issuer=proof.who.issuer, subject=proof.who.subject)
            if held is not None and held.account_id != account.id:
                self._refuse(unit, account_id, proof, "taken", IdentityTaken())
            if held is not None:  # connected already: what the provider says now is kept
                await self.confirm(unit, ProvenIdentity(proof, held, account.epoch))
                return held
            connection = await self.attach(unit, account, proof)
            await self._tokens.keep(unit, connection, proof)
            self.tell(unit, "provider_linked", connection, proof.provider.label)
            return connection

    async def unlink(self, caller: Caller, connection_id: str, labels: dict[str, str]) -> Connection:
        """Disconnect one of the caller's identities, and tell the owner.

        Args:
            caller: Whose; after a sign-in just now.
            connection_id: Which.
            labels: Names of providers, for the letter.

        Raises:
            NoSuchConnection: It is not the caller's.
            LastConnection: Nothing else would let the owner in.
        """
        account_id = caller.account_id or ""
        async with self._database.unit(caller) as unit:
            await unit.lock(ways_in(account_id))  # of the last two ways in, two requests must not remove both
            connection = await unit.find(queries.OWN, connection_id=connection_id, account_id=account_id)
            if connection is None:
                raise NoSuchConnection
            is_last = (await unit.get(queries.COUNT, account_id=account_id)).number == 1
            if is_last and not await self._has_other_way(unit, account_id):
                raise LastConnection
            await self._tokens.part_with(unit, [connection])
            await unit.run(queries.REMOVE, connection_id=connection_id, of_account=account_id)
            unit.note(
                "identity.unlinked", account_id, provider=connection.provider, connection=connection.id,
                private={"email": connection.email, "name": connection.name},
            )  # fmt: skip
            self.tell(unit, "provider_unlinked", connection, labels.get(connection.provider, connection.provider))
            return connection

    async def has_one(self, unit: Unit, account_id: str) -> bool:
        """Return whether an identity elsewhere opens an account; whoever removes ways in asks under `ways_in`."""
        await unit.lock(ways_in(account_id))
        return (await unit.get(queries.COUNT, account_id=account_id)).number > 0

    async def listed(self, account_id: str) -> list[Connection]:
        """Return what is connected with an account, the oldest first."""
        return await self._database.all(queries.OF_ACCOUNT, account_id=account_id)

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Disconnect everything: which connections are the owner's own, nobody can tell any more (decision 33)."""
        await unit.lock(ways_in(account_id))
        await self._tokens.part_with(unit, await unit.all(queries.OF_ACCOUNT, account_id=account_id))
        removed = await unit.run(queries.REMOVE_ALL, of_account=account_id)
        if removed:
            unit.note("identity.all_unlinked", account_id, number=removed)

    async def access(self, account_id: str) -> dict[str, Access]:
        """Return which tokens are kept for an account, by connection; sealed as they are."""
        async with self._database.unit() as unit:
            return await self._tokens.of_account(unit, account_id)

    async def farewell(self, unit: Unit, account_id: str) -> list[dict[str, Any]]:
        """Return what is to be given back to providers once an account is erased."""
        return await self._tokens.farewell(unit, account_id)

    def give_back(self, unit: Unit, farewell: list[dict[str, Any]]) -> None:
        """Queue what `farewell` has found; the account's rows are gone by now."""
        for payload in farewell:
            unit.later(REVOKE, **payload)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return what is connected with an account, for its owner's export."""
        held = await unit.all(queries.OF_ACCOUNT, account_id=account_id)
        access = await self._tokens.of_account(unit, account_id)
        return {
            "connections": [
                {
                    "id": one.id, "provider": one.provider, "issuer": one.issuer, "subject": one.subject,
                    "email": one.email, "email_verified": bool(one.email_verified), "name": one.name,
                    "linked_at": iso(one.linked_at), "last_used_at": iso_or_none(one.last_used_at),
                    "access": _told_of(access.get(one.id)),
                }
                for one in held
            ]
        }  # fmt: skip

    def tell(self, unit: Unit, kind: str, connection: Connection, label: str) -> None:
        """Write to the owner that a way into the account has come or gone."""
        unit.later(
            "letter", kind=kind, account_id=connection.account_id, when=unit.now, agent=unit.caller.agent or "",
            address=unit.caller.address or "unknown", provider=label, name=connection.name,
        )  # fmt: skip

    def _note_address(self, unit: Unit, connection: Connection, proof: Proof) -> None:
        """Journal that a provider says another address than before. The account's own stays what it is."""
        who = proof.who
        if (who.email, who.email_verified) != (connection.email, bool(connection.email_verified)):
            unit.note(
                "identity.address_changed", connection.account_id, provider=connection.provider,
                connection=connection.id, verified=who.email_verified, private={"email": who.email},
            )  # fmt: skip

    def _refuse(self, unit: Unit, account_id: str, proof: Proof, reason: str, problem: Problem) -> NoReturn:
        unit.note("identity.refused", account_id or None, provider=proof.provider.slug, reason=reason)
        raise problem


def _told_of(access: Access | None) -> dict[str, Any] | None:
    """Return what an owner gets to know of tokens that are kept; never the tokens."""
    if access is None:
        return None
    return {
        "scopes": access.scopes.split(), "expires_at": iso_or_none(access.expires_at),
        "stored_at": iso(access.stored_at), "renewals": access.version - 1, "ended_at": iso_or_none(access.ended_at),
    }  # fmt: skip


def ways_in(account_id: str) -> str:
    """Return the lock under which the ways into an account are counted and removed, whichever slice keeps them."""
    return f"ways in {account_id}"


def _name(proof: Proof) -> str:
    """Return what an identity is called, for its owner to know it again."""
    who = proof.who
    for text in (who.username, who.email or "", who.name):
        try:
            if text and (found := clean_display_text(text[:LONGEST_NAME], LONGEST_NAME)):
                return found
        except InvalidFields:
            continue
    return proof.provider.label
