"""The guard for API keys: in steady state it looks into memory and nowhere else (D3, T3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_network
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec

from ostiary.apikeys import queries
from ostiary.apikeys.errors import ApiKeyRefused
from ostiary.apikeys.form import read
from ostiary.core.errors import TooBusy, Unavailable
from ostiary.core.limits import Limit, LimitReached, MemoryLimiter, Spend
from ostiary.core.signals import steady_seconds
from ostiary.web.address import counted, parsed

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.apikeys.digests import Digests
    from ostiary.apikeys.queries import ApiKey
    from ostiary.apikeys.settings import ApiKeySettings
    from ostiary.core.clock import Millis
    from ostiary.core.db import Database
    from ostiary.core.signals import Signals
    from ostiary.web.visit import Visit

TRIES = 3
"""How often a key is read again because something changed while it was being read."""

REFUSED = 1_000
TOLD = 10_000
"""How many refusals are remembered: by key, and by who showed it."""

TELL_AGAIN = 3_600_000
BATCH = 200
MINUTE = 60_000


class KeyIdentity(msgspec.Struct, frozen=True):
    """Whom a verified API key stands for: never more than its owner may now, and than the key was made for.

    Attributes:
        key_id: The key.
        scopes: What it was made for.
        permissions: What the owner may do now and the key was made for.
        is_confined: Whether it is good from some networks only.
    """

    account: Account
    key_id: str
    scopes: tuple[str, ...]
    permissions: tuple[str, ...]
    is_confined: bool

    session_id: ClassVar[str] = ""  # it hangs on none
    auth_time: ClassVar[int] = 0  # nobody has proven who they are: whatever asks for a recent sign-in is shut
    amr: ClassVar[tuple[str, ...]] = ()
    acr: ClassVar[str] = ""  # less than any sign-in

    @property
    def account_id(self) -> str:
        """The account."""
        return self.account.id


class Proof(NamedTuple):
    """That a text fits what is stored of a key: true for as long as just that is stored."""

    key_id: str
    stored: str


class Unfit(Exception):  # noqa: N818 - reads as the sentence it is
    """What was shown opens nothing; the reason is for the journal."""

    def __init__(self, reason: str, key: ApiKey | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.key = key


class Held:
    """A key in memory, as stored when it was read."""

    __slots__ = ("_identity", "good_until", "key", "networks", "scopes")

    def __init__(self, key: ApiKey, good_until: float) -> None:
        self.key = key
        self.good_until = good_until
        self.scopes = tuple(key.scopes.split())
        self.networks = tuple(ip_network(text) for text in key.networks.split())
        self._identity: KeyIdentity | None = None

    def knows(self, stored: str) -> bool:
        """Return whether a proof is of one of its secrets, whether or not that is good still."""
        return stored in (self.key.digest, self.key.previous_digest)

    def objection(self, stored: str, address: str | None, now: Millis) -> str | None:
        """Return what is to be said against it here and now, or None."""
        key = self.key
        if key.expires_at is not None and key.expires_at <= now:
            return "expired"
        if stored != key.digest and (key.previous_ends_at or 0) <= now:
            return "rotated"
        return "address" if self.networks and not self._lets_in(address) else None

    def identity_of(self, account: Account) -> KeyIdentity:
        """Return whom the key stands for, made once for each state of the account."""
        identity = self._identity
        if identity is None or identity.account is not account:
            granted = tuple(name for name in account.permissions if name in self.scopes)
            identity = KeyIdentity(account, self.key.id, self.scopes, granted, bool(self.networks))
            self._identity = identity
        return identity

    def _lets_in(self, address: str | None) -> bool:
        found = parsed(address) if address else None  # an address that nobody knows is in no network
        return found is not None and any(
            network.version == found.version and found in network for network in self.networks
        )


class ApiKeyGuard:
    """Trusts a key if its text fits what is stored, and key, account and address all stand, now.

    What is remembered is that a text fits a stored digest, by its own digest,
    and the stored row, until the change feed says that it has changed. Expiry,
    account and address are looked at every time.

    Attributes:
        beginnings: What a key begins with; no signed token does.
    """

    def __init__(
        self, database: Database, accounts: Accounts, signals: Signals, digests: Digests, limit: Limit,
        settings: ApiKeySettings, *, remember: timedelta, steady: Callable[[], float] = steady_seconds,
    ) -> None:  # fmt: skip
        self._database = database
        self._accounts = accounts
        self._digests = digests
        self._limit = limit
        self._size = settings.remembered
        # A process that was suspended for longer than changes are kept has missed some: it reads again.
        self._good_for = remember.total_seconds()
        self._steady = steady
        self._guesses = MemoryLimiter(database.clock)  # what is guarded is cost, not a secret of 256 bits
        self._proofs: OrderedDict[bytes, Proof] = OrderedDict()
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._refused: OrderedDict[bytes, None] = OrderedDict()
        self._told: OrderedDict[tuple[str, str, str | None], Millis] = OrderedDict()
        self._uses: dict[str, Millis] = {}
        self._forgotten = 0
        self.beginnings = settings.beginnings
        signals.on("apikey", self._forget)

    async def trusted(self, visit: Visit, text: str) -> KeyIdentity:
        """Return whom a key stands for; call only with a fresh view.

        Raises:
            ApiKeyRefused: It opens nothing, here and now.
            LimitReached: Too many wrong ones from this address.
            TooBusy: The hashing pool is full, where keys are stored by a slow hash.
            DatabaseUnavailable: Nobody can say (D14).
        """
        digest = sha256(text.encode("latin-1", "replace")).digest()  # a look into our memory must not yield keys
        proof = self._proofs.get(digest)
        held = self._held.get(proof.key_id) if proof is not None else None
        if proof is None or held is None or not held.knows(proof.stored) or self._steady() > held.good_until:
            proof, held = await self._look_up(visit, text, digest)
        key, now = held.key, self._database.clock.now()
        account = self._accounts.glance(key.account_id) or await self._accounts.remembered(key.account_id)
        reason = held.objection(proof.stored, visit.address, now)
        if account is None or account.epoch != key.account_epoch or not account.is_alive:
            reason = "account"
        if reason is not None or account is None:
            await self._tell(visit, Unfit(reason or "", key))
            raise ApiKeyRefused
        self._uses[key.id] = now
        return held.identity_of(account)

    def forget_refusals(self) -> None:
        """Look again at what was refused: our own keys have changed."""
        self._refused.clear()

    async def settle(self) -> int:
        """Write down when keys were last used, many in one unit; return how many. No request waits for it."""
        uses, self._uses = sorted(self._uses.items()), {}  # in one order, so that two processes never cross
        for begin in range(0, len(uses), BATCH):
            try:
                async with self._database.unit() as unit:
                    for key_id, at in uses[begin : begin + BATCH]:
                        await unit.run(queries.USED, key_id=key_id, used_at=at, not_since=at - MINUTE)
            except Unavailable:
                self._uses = dict(uses[begin:]) | self._uses  # once more in a minute
                raise
        return len(uses)

    async def prune(self) -> None:
        """Drop counters whose window is over."""
        await self._guesses.prune()

    async def _look_up(self, visit: Visit, text: str, digest: bytes) -> tuple[Proof, Held]:
        """Return a key that memory does not know; what has not its form costs no read, nor does the same one again."""
        name = read(text)
        if name is None or digest in self._refused:
            raise ApiKeyRefused
        known = self._proofs.get(digest)
        spent = self._spend(visit) if known is None else None  # whoever held it once is not guessing
        if spent is not None:
            (count,) = await self._guesses.spend(spent)
            if count.spent > self._limit.number:
                raise LimitReached.of(self._limit, count.closes_at, self._database.clock.now())
        try:
            found = await self._weigh(name.id, text, digest, known)
        except Unfit as doubt:
            self._remember_refusal(digest)
            await self._tell(visit, doubt)
            raise ApiKeyRefused from None
        except BaseException:
            await self._give_back(spent)
            raise
        await self._give_back(spent)
        return found

    async def _weigh(self, key_id: str, text: str, digest: bytes, known: Proof | None) -> tuple[Proof, Held]:
        for _ in range(TRIES):
            before, read_at = self._forgotten, self._steady()
            key = await self._database.find(queries.BY_ID, key_id=key_id)
            if key is None:
                raise Unfit("unknown", None)
            stored = await self._fitting(key, text, known)
            if stored is None:
                raise Unfit("secret", key)
            if key.revoked_at is not None:
                raise Unfit("revoked", key)
            if not await self._has_living_owner(key):
                raise Unfit("account", key)
            proof = known = Proof(key_id, stored)
            held = Held(key, read_at + self._good_for)
            if before == self._forgotten:  # nothing changed while we read, and hashed perhaps
                self._keep(digest, proof, held)
                break
        return await self._renewed(text, digest, proof, held)

    async def _has_living_owner(self, key: ApiKey) -> bool:
        """Return what the database says: a process that was suspended may have missed what befell the account, too."""
        async with self._database.unit() as unit:
            account = await self._accounts.find(unit, key.account_id)
        return account is not None and account.is_alive and account.epoch == key.account_epoch

    async def _fitting(self, key: ApiKey, text: str, known: Proof | None) -> str | None:
        """Return which of the stored digests a text fits, or None."""
        candidates = [key.digest]
        if key.previous_digest is not None and (key.previous_ends_at or 0) > self._database.clock.now():
            candidates.append(key.previous_digest)
        if known is not None and known.stored in candidates:
            return known.stored
        for stored in candidates:
            if await self._digests.fits(text, stored):
                return stored
        return None

    async def _renewed(self, text: str, digest: bytes, proof: Proof, held: Held) -> tuple[Proof, Held]:
        """Store the secret as it would be stored today, where it was stored otherwise; not now if that is busy."""
        if proof.stored != held.key.digest or not self._digests.is_outdated(proof.stored):
            return proof, held
        with suppress(Unavailable, TooBusy):
            becomes = await self._digests.make(text)
            if await self._database.run(queries.RENEW, key_id=proof.key_id, was=proof.stored, becomes=becomes):
                renewed = Proof(proof.key_id, becomes)
                key = msgspec.structs.replace(held.key, digest=becomes)
                kept = Held(key, held.good_until)
                if self._held.get(proof.key_id) is held:
                    self._keep(digest, renewed, kept)
                return renewed, kept
        return proof, held

    def _keep(self, digest: bytes, proof: Proof, held: Held) -> None:
        self._proofs[digest] = proof
        self._held[proof.key_id] = held
        self._held.move_to_end(proof.key_id)
        for memory in (self._proofs, self._held):
            while len(memory) > self._size:
                memory.popitem(last=False)

    def _remember_refusal(self, digest: bytes) -> None:
        """Know a wrong key again: its program may show it for days, and counts once."""
        self._proofs.pop(digest, None)
        self._refused[digest] = None
        if len(self._refused) > REFUSED:
            self._refused.popitem(last=False)

    def _spend(self, visit: Visit) -> Spend | None:
        # Unknown (D6): one counter for everybody would be a weapon.
        return Spend(self._limit, counted(visit.address).encode()) if visit.address is not None else None

    async def _give_back(self, spent: Spend | None) -> None:
        if spent is not None:
            await self._guesses.give_back(spent)

    async def _tell(self, visit: Visit, doubt: Unfit) -> None:
        """Leave evidence (D9): once an hour for each key, reason and address, as a program may go on for days."""
        key, now = doubt.key, self._database.clock.now()
        what = (key.id if key else "", doubt.reason, visit.address)
        if now - self._told.get(what, now - TELL_AGAIN) < TELL_AGAIN:
            return
        self._told[what] = now
        self._told.move_to_end(what)
        if len(self._told) > TOLD:
            self._told.popitem(last=False)
        async with self._database.unit(visit.caller()) as unit:
            unit.note("apikey.refused", key.account_id if key else None, key=key.id if key else "", reason=doubt.reason)

    def _forget(self, key_id: str) -> None:
        self._forgotten += 1
        self._held.pop(key_id, None)
