"""Refusals that concern signing in elsewhere; which step failed, the journal says (`identity.refused`)."""

from __future__ import annotations

from ostiary.core.errors import Problem


class NoSuchProvider(Problem):
    """Nobody has set up a provider of this name."""

    slug = "no-such-provider"
    title = "Signing in there is not offered here."
    status = 404


class ProviderIsSet(Problem):
    """What stands in the settings is changed there."""

    slug = "provider-is-set"
    title = "This provider stands in the settings of the house. Change it there."
    status = 409


class ElsewhereRefused(Problem):
    """One answer for whatever a provider's answer fails: forged, replayed, of another browser, or badly signed."""

    slug = "elsewhere-refused"
    title = "This sign-in could not be completed. Please begin again."
    status = 403


class ElsewhereCancelled(Problem):
    """The provider says that its user, or the provider itself, did not agree."""

    slug = "elsewhere-cancelled"
    title = "The sign-in was cancelled at the other end. Nothing has changed here."
    status = 403


class ProviderUnavailable(Problem):
    """The provider did not answer, or not as its protocol says; nobody is let in on a guess (D14)."""

    slug = "provider-unavailable"
    title = "The other service does not answer as it should right now. Please try again, or sign in another way."
    status = 503


class AddressKnown(Problem):
    """A known address links nothing by itself; said only where the provider vouches that it is the visitor's own."""

    slug = "address-known"
    title = "There is an account with your address already. Sign in to it first, and then connect the two."
    status = 409


class AddressNotVouched(Problem):
    """An account needs an address that somebody has proven, and this provider's word is not taken for it."""

    slug = "address-not-vouched"
    title = "No account could be opened: the other service does not confirm your address to us."
    status = 409


class AccountsNotOpened(Problem):
    """The keeper lets this provider open no accounts."""

    slug = "accounts-not-opened"
    title = "Nobody is known here by this sign-in yet. Sign in to your account first, and then connect the two."
    status = 403


class IdentityTaken(Problem):
    """One identity opens one account; its holder has just proven that it is theirs."""

    slug = "identity-taken"
    title = "This sign-in is connected to another account here. Disconnect it there first."
    status = 409


class ProviderConnected(Problem):
    """One connection to each provider, so that it is clear whose keys an application gets."""

    slug = "provider-connected"
    title = "Another user of the same service is connected to your account. Disconnect that one first."
    status = 409


class NoSuchConnection(Problem):
    """Not a connection of the caller's own account."""

    slug = "no-such-connection"
    title = "There is no such connection."
    status = 404


class LastConnection(Problem):
    """The account has neither password nor passkey: without this connection nobody could sign in."""

    slug = "last-connection"
    title = "This connection is the only way into the account. Choose a password or add a passkey first."
    status = 409


class AccessEnded(Problem):
    """The provider takes no token of this connection any more; signing in by it goes on."""

    slug = "access-ended"
    title = "The other service does not let us act for you any more. Please connect it again."
    status = 409


class ScopesMissing(Problem):
    """What is kept may do less than is asked for; says what is missing, so that it can be asked for."""

    slug = "scopes-missing"
    title = "The other service has not allowed this yet. Please connect it again, and allow it there."
    status = 409

    def __init__(self, missing: list[str]) -> None:
        super().__init__(extra={"scopes": missing})
        self.missing = tuple(missing)
