"""Tokens that providers have given: kept sealed, renewed by one process at a time, handed out, given back.

The rules and states: docs/explanation/upstream-tokens.md (R33).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ostiary.core.clock import millis
from ostiary.core.crypto import Unsealable
from ostiary.federation import queries
from ostiary.federation.errors import AccessEnded, NoSuchConnection, NoSuchProvider, ProviderUnavailable, ScopesMissing
from ostiary.federation.upstream import UpstreamFault, UpstreamRefusal
from ostiary.federation.who import client_secret, tokens_in

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.core.clock import Millis
    from ostiary.core.crypto import Sealer
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox
    from ostiary.federation.proof import Proof
    from ostiary.federation.provider import Provider
    from ostiary.federation.queries import Access, Connection
    from ostiary.federation.registry import Providers
    from ostiary.federation.upstream import Upstream
    from ostiary.federation.who import Tokens

AHEAD: Final = timedelta(minutes=2)
"""How long before it runs out a token is renewed, so that nobody is handed one that dies on its way."""

CLAIM: Final = timedelta(seconds=30)
"""How long one process may take to renew a token; longer than `upstream.PATIENCE`. After that another tries."""

LOOK_AGAIN_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 10.0

REVOKE: Final = "upstream_revoke"
BATCH: Final = 200

GONE: Final = frozenset({"invalid_grant", "bad_refresh_token", "unauthorized_client"})
"""What a provider says of a refresh token that its user, or it, has taken back (RFC 6749 section 5.2)."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What an application shows a provider on behalf of somebody; `repr` does not tell it.

    Attributes:
        value: The bearer token.
        scopes: What it may do, as the provider has said.
        expires_at: In milliseconds since 1970; None where the provider does not say.
    """

    value: str
    scopes: tuple[str, ...]
    expires_at: Millis | None

    def __repr__(self) -> str:
        return f"AccessToken({' '.join(self.scopes)})"


class UpstreamTokens:
    """Keeps the tokens of connections to providers whose keeper wants that (`keep_tokens`).

    Sealed under a data key of the house, with table, row and column in the
    context: a value copied to another place opens nothing there (ASVS 11.3).
    """

    def __init__(
        self, database: Database, accounts: Accounts, sealer: Sealer, providers: Providers, upstream: Upstream
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._sealer = sealer
        self._providers = providers
        self._upstream = upstream

    def serve(self, outbox: Outbox) -> None:
        """Take on giving back tokens that are needed no more."""
        outbox.on(REVOKE, self.give_back)

    # --- Kept

    async def keep(self, unit: Unit, connection: Connection, proof: Proof) -> None:
        """Store what a provider has given with a proof, where its keeper wants that.

        A plain sign-in asks for less than an application may have been granted
        before; what may do more stays, as long as it lives.
        """
        if not proof.provider.keep_tokens:
            return
        held = await unit.find(queries.ACCESS, connection_id=connection.id)
        given, lives = proof.tokens, held is not None and held.ended_at is None
        if held is not None and lives and not set(held.scopes.split()) <= set(given.scopes):
            return
        # Some give a refresh token once, when their user agrees, and none with later sign-ins: the first one stays.
        await unit.run(queries.KEEP, **self._row(connection.id, given, unit.now, held if lives else None))
        unit.note(
            "identity.access_kept", connection.account_id, provider=connection.provider, connection=connection.id,
            scopes=list(given.scopes),
        )  # fmt: skip

    async def of_account(self, unit: Unit, account_id: str) -> dict[str, Access]:
        """Return what is kept for an account, by connection; sealed as it is."""
        return {one.connection_id: one for one in await unit.all(queries.ACCESS_OF_ACCOUNT, account_id=account_id)}

    # --- Handed out

    async def hand_out(self, account: Account | str, slug: str, scopes: tuple[str, ...], *, renew: bool) -> AccessToken:
        """See `Federation.token`."""
        account_id = account if isinstance(account, str) else account.id
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        began: int | None = None
        while True:
            held = await self._held(account_id, slug, scopes)
            began = held.version if began is None else began
            now = self._database.clock.now()
            lives = held.expires_at is None or now < held.expires_at
            if held.version != began or not (renew or self._is_due(held, now)):
                return await self._opened(held)
            if held.refresh is None:
                if lives and not renew:
                    return await self._opened(held)
                await self._end(held, "refused" if renew else "expired")
            if await self._database.run(
                queries.CLAIM_ACCESS, at_connection=held.connection_id, seen=held.version, now=now,
                until=now + millis(CLAIM),
            ):  # fmt: skip
                return await self._renewed(held, now + millis(CLAIM), lives=lives and not renew)
            if lives and not renew:  # somebody else is at it, and this one is good for a moment yet
                return await self._opened(held)
            if asyncio.get_running_loop().time() > deadline:
                raise ProviderUnavailable(retry_after=5)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _held(self, account_id: str, slug: str, scopes: tuple[str, ...]) -> Access:
        async with self._database.unit() as unit:
            account = await self._accounts.find(unit, account_id)
            held = await unit.find(queries.ACCESS_AT, account_id=account_id, provider=slug)
        if held is None or account is None or not account.is_alive:
            raise NoSuchConnection
        if held.ended_at is not None:
            raise AccessEnded
        missing = sorted(set(scopes) - set(held.scopes.split()))
        if missing:
            raise ScopesMissing(missing)
        return held

    def _is_due(self, held: Access, now: Millis) -> bool:
        return held.expires_at is not None and now >= held.expires_at - millis(AHEAD)

    async def _renewed(self, held: Access, claimed: Millis, *, lives: bool) -> AccessToken:
        """Exchange the refresh token for new ones; nothing is held meanwhile but the claim (D7)."""
        try:
            provider = await self._providers.get(held.provider)
            given = await self._asked(provider, held)
        except UpstreamRefusal as refusal:
            if refusal.code in GONE:
                await self._end(held, "revoked")
            await self._let_go(held, claimed)
            raise ProviderUnavailable(retry_after=30) from None
        except UpstreamFault:
            await self._let_go(held, claimed)
            if lives:
                return await self._opened(held)
            raise ProviderUnavailable(retry_after=30) from None
        async with self._database.unit() as unit:
            row = _as_changes(self._row(held.connection_id, given, unit.now, held))
            if not await unit.run(queries.RENEW, claimed=claimed, seen=held.version, **row):
                raise AccessEnded  # disconnected meanwhile
        return AccessToken(given.access_token, given.scopes, row["new_expires_at"])

    async def _asked(self, provider: Provider, held: Access) -> Tokens:
        refresh = self._open(held.refresh or b"", held.connection_id, "refresh")
        metadata = await self._upstream.metadata(provider)
        form = {"grant_type": "refresh_token", "refresh_token": refresh}
        secret = client_secret(provider, self._database.clock.now())
        told = await self._upstream.post(provider, metadata.token_endpoint, form, secret, metadata.token_auth_methods)
        return tokens_in(told, tuple(held.scopes.split()))

    async def _let_go(self, held: Access, claimed: Millis) -> None:
        await self._database.run(queries.LET_GO, at_connection=held.connection_id, claimed=claimed)

    async def _end(self, held: Access, reason: str) -> NoReturn:
        """Note that the provider takes it no more; the connection signs in as before."""
        async with self._database.unit() as unit:
            if await unit.run(queries.END_ACCESS, at_connection=held.connection_id, seen=held.version, now=unit.now):
                unit.note(
                    "identity.access_ended", held.account_id, provider=held.provider, connection=held.connection_id,
                    reason=reason,
                )  # fmt: skip
        raise AccessEnded

    async def _opened(self, held: Access) -> AccessToken:
        value = self._open(held.access, held.connection_id, "access")
        if not self._sealer.is_current(held.access):  # lazily, as it is used: an older key can go (D8)
            await self._reseal(held)
        return AccessToken(value, tuple(held.scopes.split()), held.expires_at)

    # --- Sealed anew

    async def reseal(self) -> int:
        """Seal whatever lies under an older data key anew, a page at a time; return how many."""
        after, done = "", 0
        while page := await self._database.all(queries.ACCESS_PAGE, after=after, most=BATCH):
            for held in page:
                done += 0 if self._sealer.is_current(held.access) else await self._reseal(held)
            after = page[-1].connection_id
        return done

    async def _reseal(self, held: Access) -> int:
        access = self._anew(held.access, held.connection_id, "access")
        refresh = None if held.refresh is None else self._anew(held.refresh, held.connection_id, "refresh")
        return await self._database.run(
            queries.RESEAL, at_connection=held.connection_id, seen=held.version, new_access=access, new_refresh=refresh
        )

    def _anew(self, sealed: bytes, connection_id: str, column: str) -> bytes:
        return self._seal(self._open(sealed, connection_id, column), connection_id, column)

    # --- Given back

    async def part_with(self, unit: Unit, connections: list[Connection]) -> None:
        """Queue that tokens of connections which are about to go are taken back by their providers, too."""
        for connection in connections:
            held = await unit.find(queries.ACCESS, connection_id=connection.id)
            for payload in self._payloads(connection.provider, held):
                unit.later(REVOKE, **payload)

    async def farewell(self, unit: Unit, account_id: str) -> list[dict[str, Any]]:
        """Return what to give back once an account is erased; to be queued by whoever erases it, as `REVOKE`."""
        found = (await self.of_account(unit, account_id)).values()
        return [payload for held in found for payload in self._payloads(held.provider, held)]

    def _payloads(self, slug: str, held: Access | None) -> list[dict[str, Any]]:
        if held is None:
            return []
        told = []
        for sealed, kind in ((held.refresh, "refresh"), (held.access, "access")):
            try:
                if sealed is not None:
                    token = self._open(sealed, held.connection_id, kind)
                    told.append({"provider": slug, "kind": f"{kind}_token", "value": token})
            except Unsealable:  # nobody can read it any more, so nobody can give it back
                continue
        return told

    async def give_back(self, payload: dict[str, Any]) -> None:
        """Have a provider take a token back (RFC 7009; GitHub by its REST API); a job, tried again if need be."""
        try:
            provider = await self._providers.get(payload["provider"])
        except NoSuchProvider:  # it was removed: nobody here can speak to it any more
            return
        await self._upstream.revoke(provider, payload["value"], payload["kind"], client_secret(
            provider, self._database.clock.now()
        ))  # fmt: skip

    # --- Between

    def _row(self, connection_id: str, given: Tokens, now: Millis, before: Access | None) -> dict[str, Any]:
        refresh = None if given.refresh_token is None else self._seal(given.refresh_token, connection_id, "refresh")
        if refresh is None and before is not None:  # RFC 6749 section 6: it may keep the old one
            refresh = before.refresh
        lifetime = given.expires_in
        return {
            "connection_id": connection_id, "access": self._seal(given.access_token, connection_id, "access"),
            "refresh": refresh, "scopes": " ".join(given.scopes),
            "expires_at": None if lifetime is None else now + max(0, min(lifetime, 10 * 366 * 86_400)) * 1000,
            "stored_at": now,
        }  # fmt: skip

    def _seal(self, token: str, connection_id: str, column: str) -> bytes:
        return self._sealer.seal(token.encode(), f"upstream_tokens {connection_id} {column}")

    def _open(self, sealed: bytes, connection_id: str, column: str) -> str:
        return self._sealer.open(sealed, f"upstream_tokens {connection_id} {column}").decode()


def _as_changes(row: dict[str, Any]) -> dict[str, Any]:
    return {"at_connection": row.pop("connection_id"), **{f"new_{name}": value for name, value in row.items()}}
