"""Refusals that concern accounts."""

from __future__ import annotations

from ostiary.core.errors import FieldError, Problem


class UsernameTaken(Problem):
    """Usernames are public: taken is taken, and may be said (D4)."""

    slug = "username-taken"
    title = "This username is taken. Please choose another."
    status = 409

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("username", self.title, "taken"),))


class AddressTaken(Problem):
    """Somebody else has proven the address first; only its holder can learn this."""

    slug = "address-taken"
    title = "This address was confirmed for another account in the meantime."
    status = 409


class NoSuchAccount(Problem):
    """Said to the keeper of the house only."""

    slug = "no-such-account"
    title = "There is no such account."
    status = 404


class TokenSpent(Problem):
    """One answer for a token that is unknown, used, expired, or of another purpose."""

    slug = "token-not-valid"
    title = "This link is not valid any more. It may have been used already, or it is too old."
    status = 401
