"""Coming back into one's own account, on the evidence of a letter that was read (R9, R11, R15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ostiary.accounts import DISOWN, DISOWN_LIFETIME, UNLOCK, TokenSpent, find_address_key, mailbox_mark, name_key
from ostiary.core.clock import millis
from ostiary.core.secrets import b64, new_id, plain_digest
from ostiary.recovery.errors import NotClosed

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts, Address
    from ostiary.alerts import Alerts
    from ostiary.core.caller import Caller
    from ostiary.core.clock import Millis
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox
    from ostiary.core.onetime import OneTimeTokens, Spent
    from ostiary.federation import Identities
    from ostiary.mail import Letters, Post
    from ostiary.passwords import Passwords
    from ostiary.protection import Protection
    from ostiary.risk import Risk
    from ostiary.sessions import Sessions

RESET = "password.reset"
RESET_LIFETIME = timedelta(minutes=15)
LETTERS_WAY = timedelta(days=1)
"""How long after its cause a letter may leave: the mail server was away."""

REQUEST, RESET_LETTER = "reset_request", "reset_letter"


class Factors(Protocol):
    """Knows what an account can show besides its password; the front desk keeps the real one."""

    async def loses_protection(self, unit: Unit, account_id: str, since: Millis) -> bool:
        """Return whether `forget_since` takes what has protected an account for longer than that."""
        ...

    async def forget_since(self, unit: Unit, account_id: str, since: Millis) -> None:
        """Remove what was set up at a moment or later, and every passkey (decision 34)."""
        ...

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Remove all of it."""
        ...


class Disowned(NamedTuple):
    """What a link that says "this wasn't me" is about.

    Attributes:
        is_own: The letter went to the address that is the account's now. If
            not, the address was changed since, and whoever changed it would
            read a letter for a new password.
        loses_protection: Passkeys alone have protected the account, for longer
            than such letters live. They go with everything else, so that
            whoever reads the mailbox would come in without any.
    """

    account: Account
    is_own: bool
    loses_protection: bool

    @property
    def comes_back_by_letter(self) -> bool:
        """Whether a letter for a new password is enough to come back."""
        return self.is_own and not self.loses_protection


@dataclass(frozen=True, slots=True)
class Recovery:
    """Gives accounts back to their owners, and to nobody else.

    The states and what moves between them: docs/explanation/recovery.md.
    """

    database: Database
    accounts: Accounts
    passwords: Passwords
    factors: Factors
    identities: Identities
    sessions: Sessions
    protection: Protection
    risk: Risk
    alerts: Alerts
    tokens: OneTimeTokens
    letters: Letters
    post: Post
    outbox: Outbox

    def serve(self) -> None:
        """Take on the jobs that recovery queues."""
        self.outbox.on(REQUEST, self.decide)
        self.outbox.on(RESET_LETTER, self.send_reset_letter)

    async def request(self, caller: Caller, email: str) -> None:
        """Ask for a letter with which a new password can be chosen.

        Does the same for every address, in the same time: whether anybody has
        it is looked at in the outbox, and told to its mailbox only.

        Raises:
            LimitReached: Too many from here.
        """
        await self.protection.admit_reset(caller)
        async with self.database.unit(caller) as unit:
            unit.note("password.reset_requested")
            unit.later(REQUEST, email=email, request_id=caller.request_id)

    async def decide(self, payload: dict[str, Any]) -> None:
        """Let a letter go to a proven address of a living account; anything else ends here, in silence."""
        email_key = find_address_key(payload["email"])
        if email_key is None:
            return
        async with self.database.unit() as unit:
            account_id = await self.accounts.find_by_login(unit, payload["email"])
        if account_id is None or not await self.protection.admit_letter(email_key):
            return
        # Another job: a mail server that is away for a while must not use up the mailbox's limit.
        async with self.database.unit() as unit:
            unit.note("password.reset_offered", account_id, asked_by=payload["request_id"])
            unit.later(RESET_LETTER, account_id=account_id)

    async def send_reset_letter(self, payload: dict[str, Any]) -> None:
        """Write to the proven address of an account, with a link for a new password; older links die."""
        async with self.database.unit() as unit:
            account = await self._open(unit, payload["account_id"])
            if account is None:
                return
            await unit.lock(f"{RESET} {account.id}")  # of two letters at once one is the newer
            await self.tokens.revoke_all(unit, RESET, account.id)
            bound = _bound(account, account.epoch, await self.passwords.mark(unit, account.id))
            token = await self.tokens.issue(unit, RESET, account.id, bound, RESET_LIFETIME)
        letter = self.letters.compose(
            "password_reset", account.email, language=account.language, username=account.username,
            link=f"/auth/reset?token={token}", minutes=int(RESET_LIFETIME.total_seconds() // 60),
        )  # fmt: skip
        await self.post.deliver(letter)

    async def look_reset(self, caller: Caller, token: str) -> Account | None:
        """Return whose password a link resets, without using it up; None if it does not."""
        async with self.database.unit(caller) as unit:
            alive = await self.tokens.look(unit, RESET, token)
            account = await self._open(unit, alive.account_id) if alive else None
            if alive is None or account is None:
                return None
            mark = await self.passwords.mark(unit, account.id)
            return account if alive.subject == _bound(account, account.epoch, mark) else None

    async def reset(self, caller: Caller, token: str, new_password: str) -> str:
        """Choose a new password with the link from a letter; everything granted before ends.

        Nobody is signed in by it: who holds the letter shows the new password next.

        Returns:
            The id under which the caller's browser is known from now on.

        Raises:
            TokenSpent: The link is unknown, used, too old, or the password it was to reset is another by now.
            WeakPassword: The new one will not do; says why. The link stays good.
            TooBusy: The hashing pool is full; the link stays good.
        """
        account = await self.look_reset(caller, token)
        if account is None:
            async with self.database.unit(caller) as unit:
                unit.note("password.reset_refused")
                raise TokenSpent
        hashed = await self.passwords.hash_new(
            new_password, field="new_password", username=account.username, email=account.email,
            full_name=account.full_name,
        )  # fmt: skip
        async with self.database.unit(caller) as unit:
            spent = await self.tokens.spend(unit, RESET, token)
            if spent is None or not await self._replaced(unit, spent, hashed):
                unit.note("password.reset_refused", account.id)
                raise TokenSpent
            device_id = await self._welcomed(unit, account.id)
        await self._forget_failures(caller, account)
        return device_id

    async def look_disown(self, caller: Caller, token: str) -> Disowned | None:
        """Return what "this wasn't me" is about, without using the link up; None if it is not valid."""
        async with self.database.unit(caller) as unit:
            alive = await self.tokens.look(unit, DISOWN, token)
            return await self._disowned(unit, alive) if alive else None

    async def disown(self, caller: Caller, token: str) -> Disowned:
        """End everything that anybody holds of an account, lock its password, and begin recovery.

        Where the letter went to an address that is not the account's any more,
        the account is closed until the keeper has looked at it: its present
        address may be a thief's, its former one may be somebody else's by now
        (docs/decisions/0026-a-former-address-may-close-and-not-take.md). The
        same where passkeys alone have protected it for a while, which are
        removed: what reads the mailbox must not get past that (R20). A younger
        second factor goes, an older one stays owed (decision 34).

        Raises:
            TokenSpent: The link is unknown, used or too old.
        """
        async with self.database.unit(caller) as unit:
            alive = await self.tokens.look(unit, DISOWN, token)
            if alive is not None:
                # Two links of one account at the same moment would each wait for what the other holds.
                await unit.lock(f"{DISOWN} {alive.account_id}")
            spent = await self.tokens.spend(unit, DISOWN, token)
            if spent is None:
                unit.note("account.disown_refused", alive.account_id if alive else None)
                raise TokenSpent
            await self.accounts.drop_claims(unit, spent.account_id)
            loses = await self.factors.loses_protection(unit, spent.account_id, _young(unit))
            await self.passwords.forget(unit, spent.account_id)
            # A thief may have asked to erase it; only its own address opens it again.
            await self.accounts.keep(unit, spent.account_id)
            # What a thief may have set up and a letter has told of; else whoever merely reads the mailbox could take
            # every second factor away (decision 34).
            await self.factors.forget_since(unit, spent.account_id, _young(unit))
            # All of them: which are the owner's own, nobody can tell from here (decision 33).
            await self.identities.forget_all(unit, spent.account_id)
            await self._end_everything(unit, spent.account_id, "disowned")
            # Read last: the row is ours now, until the commit.
            found = (await self._disowned(unit, spent))._replace(loses_protection=loses)
            # Older letters to the same mailbox tell of what has just been ended.
            await self.tokens.revoke(unit, DISOWN, spent.account_id, spent.subject)
            unit.note("account.disowned", spent.account_id, by_former_address=not found.is_own)
            if found.comes_back_by_letter:
                unit.later(RESET_LETTER, account_id=spent.account_id)
            elif found.account.is_alive:
                await self.accounts.set_status(unit, spent.account_id, found.account.status, "deactivated")
            # A thief's sign-ins were learned from as well.
            await self.risk.forget(unit, spent.account_id)
            await self.alerts.raise_(unit, "account_disowned", account_id=spent.account_id)
        return found

    async def look_unlock(self, caller: Caller, token: str) -> Account | None:
        """Return which account a link opens to this browser, without using it up; None if it does not."""
        async with self.database.unit(caller) as unit:
            alive = await self.tokens.look(unit, UNLOCK, token)
            return await self._unlockable(unit, alive) if alive else None

    async def unlock(self, caller: Caller, token: str) -> str:
        """Forget strangers' wrong passwords, and let the caller's browser in past later ones.

        Returns:
            The id under which the caller's browser is known from now on.

        Raises:
            TokenSpent: The link is unknown, used, too old, or everything was ended since.
        """
        async with self.database.unit(caller) as unit:
            spent = await self.tokens.spend(unit, UNLOCK, token)
            account = await self._unlockable(unit, spent) if spent else None
            if account is None:
                unit.note("account.unlock_refused", spent.account_id if spent else None)
                raise TokenSpent
            device_id = await self._welcomed(unit, account.id)
        await self._forget_failures(caller, account)
        return device_id

    async def give_back(self, caller: Caller, account_id: str, address: Address) -> None:
        """Open a closed account for the owner of an address, as the keeper may who has seen who that is.

        The address becomes the account's own, on the keeper's word, and gets a letter for a new password. All in
        one unit: an account opened first would for a moment be open to its former address. Letters of before shut
        nothing any more: what they told of has ended, and a thief holds some of them (decision 57).

        Raises:
            NotClosed: The account is open; nothing is to be given back.
            AddressTaken: Another account has proven the address.
        """
        async with self.database.unit(caller) as unit:
            await unit.lock(f"{DISOWN} {account_id}")
            if not await self.accounts.set_status(unit, account_id, "deactivated", "active"):
                raise NotClosed
            await self.tokens.revoke_all(unit, DISOWN, account_id)
            await self.passwords.forget(unit, account_id)
            await self.factors.forget_all(unit, account_id)
            await self.identities.forget_all(unit, account_id)
            claim = await self.accounts.claim_address(unit, account_id, address)
            await self.accounts.prove(unit, claim.id)
            unit.note("account.returned", account_id)
            unit.later(RESET_LETTER, account_id=account_id)

    async def _open(self, unit: Unit, account_id: str) -> Account | None:
        """Return the account if letters about coming back may go to it: alive, with a proven address."""
        account = await self.accounts.find(unit, account_id)
        return account if account is not None and account.is_alive and account.email_verified else None

    async def _replaced(self, unit: Unit, spent: Spent, hashed: str) -> bool:
        mark = await self.passwords.mark(unit, spent.account_id)
        # Whoever knew the old password may have claimed an address with it.
        await self.accounts.drop_claims(unit, spent.account_id)
        if not await self.passwords.exchange(unit, spent.account_id, mark, hashed):
            return False
        account = await self._end_everything(unit, spent.account_id, "password-reset")
        # Compared last: from here to the commit nobody else can change the account's row.
        if not account.is_alive or spent.subject != _bound(account, account.epoch - 1, mark):
            return False
        unit.note("password.reset_completed", account.id)
        unit.later(
            "letter", kind="password_was_reset", account_id=account.id, when=unit.now, agent=unit.caller.agent or "",
            address=unit.caller.address or "unknown",
        )  # fmt: skip
        return True

    async def _end_everything(self, unit: Unit, account_id: str, reason: str) -> Account:
        await self.sessions.end_others(unit, account_id, "", reason)
        # A thief's browser is no known one any more; the owner's is known again by the next letter or sign-in.
        await self.sessions.forget_devices(unit, account_id)
        await self.protection.forget_devices(unit, account_id)
        return await self.accounts.raise_epoch(unit, account_id)

    async def _disowned(self, unit: Unit, token: Spent) -> Disowned:
        account = await self.accounts.get(unit, token.account_id)
        is_own = account.email_verified and mailbox_mark(account.email) == token.subject
        return Disowned(account, is_own, await self.factors.loses_protection(unit, account.id, _young(unit)))

    async def _unlockable(self, unit: Unit, token: Spent) -> Account | None:
        account = await self._open(unit, token.account_id)
        is_of_this_epoch = account is not None and token.subject.partition(" ")[0] == str(account.epoch)
        return account if is_of_this_epoch else None

    async def _welcomed(self, unit: Unit, account_id: str) -> str:
        device_id = unit.caller.device_id or new_id(unit.now)
        await self.protection.welcome(unit, account_id, device_id)
        return device_id

    async def _forget_failures(self, caller: Caller, account: Account) -> None:
        names = (name_key(account.username), find_address_key(account.email) or "")
        await self.protection.unlock(caller, account.id, *filter(None, names))


def _young(unit: Unit) -> Millis:
    """Return the moment from which on a factor may be a thief's, of which a letter with this very link tells."""
    return unit.now - millis(DISOWN_LIFETIME + LETTERS_WAY)


def _bound(account: Account, epoch: int, mark: str) -> str:
    """Return what a link for a new password is bound to: this password, this mailbox, and nothing ended since."""
    return b64(plain_digest(f"{epoch} {mailbox_mark(account.email)} {mark}"))
