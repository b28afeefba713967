"""Refusals that concern passkeys."""

from __future__ import annotations

from ostiary.core.errors import Problem


class PasskeyRefused(Problem):
    """One answer for every passkey that opens nothing; why, the journal knows."""

    slug = "passkey-refused"
    title = "This passkey does not open an account here."
    status = 401

    def __init__(self, *, is_unknown: bool = False) -> None:
        # Nobody guesses a credential's id. Whoever shows one that is unknown can have its browser forget it.
        super().__init__(extra={"unknown_credential": True} if is_unknown else None)


class PasskeyNotAccepted(Problem):
    """What the authenticator made is not stored."""

    slug = "passkey-not-accepted"
    title = "This passkey could not be added. Please try again."
    status = 422


class AuthenticatorNotAllowed(Problem):
    """Policy welcomes the authenticators of some makers only; which, whoever runs the house can say."""

    slug = "authenticator-not-allowed"
    title = "This kind of authenticator is not accepted here. Use one that was approved."
    status = 422


class NoSuchPasskey(Problem):
    """Not a passkey of the caller's own account."""

    slug = "no-such-passkey"
    title = "There is no such passkey."
    status = 404


class LastWayIn(Problem):
    """The account has no password: without this passkey nobody could sign in."""

    slug = "last-way-in"
    title = "This passkey is the only way into the account. Choose a password or add another passkey first."
    status = 409


class TooManyPasskeys(Problem):
    """A bound for lists that are sent to authenticators."""

    slug = "too-many-passkeys"
    title = "The account has as many passkeys as it can. Remove one that you do not need."
    status = 409
