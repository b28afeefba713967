"""Every kind of alert: how grave it is, what it says, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["notice", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of alert.

    Attributes:
        severity: `critical` wants somebody now, `warning` today, `notice` is good to know.
        words: What happened, in one sentence that names nobody.
        advice: What to do, in one sentence.
    """

    severity: Severity
    words: str
    advice: str


KINDS: Final[dict[str, Kind]] = {
    "account_under_review": Kind(
        "warning",
        "An account had so many wrong passwords that it is under review.",
        "Look at its journal; unlock it once its owner has spoken to you.",
    ),
    "address_blocked": Kind(
        "notice",
        "A client address failed to sign in so often that it is blocked for a while.",
        "Nothing, unless it is one of yours: then put it on the allow-list.",
    ),
    "spraying_seen": Kind(
        "critical",
        "A few passwords are being tried on many accounts.",
        "Read the incident guide; look at who signed in since it began.",
    ),
    "stuffing_seen": Kind(
        "critical",
        "Many different pairs of name and password are being tried, as from a stolen list.",
        "Read the incident guide; look at who signed in since it began.",
    ),
    "session_stolen": Kind(
        "warning",
        "A refresh token that was already exchanged came again: somebody had a copy, and the session was ended.",
        "Its owner has a letter; if it happens to several, look for what they share.",
    ),
    "sign_in_denied": Kind(
        "notice",
        "What opens an account was right, and refused, because the sign-in looked too much like somebody else's.",
        "Its owner has a letter; look at the reasons in the journal.",
    ),
    "passkey_copied": Kind(
        "warning",
        "A passkey was refused because its count did not go up: there may be two of that authenticator.",
        "Its owner has a letter, and should remove it; if it happens to several, look for their make in the journal.",
    ),
    "text_budget_spent": Kind(
        "warning",
        "The day's budget of text messages is used up, to one country prefix or in all: nobody gets a code there.",
        "Look at `text.sent` in the journal for who causes them; bar the prefix, or raise the budget if all is well.",
    ),
    "texts_failing": Kind(
        "warning",
        "The provider of text messages does not take them.",
        "Look at the reason, at your account there, and at `ostiary doctor`.",
    ),
    "journal_broken": Kind(
        "critical",
        "The house found its journal not to be as it wrote it.",
        "Somebody could write to the database: read the incident guide, and run `ostiary journal verify`.",
    ),
    "account_disowned": Kind(
        "critical",
        "An owner said that a sign-in or a change was not theirs: the account was shut, and is being recovered.",
        "Look at what was done in its name; if it happens to several, read the incident guide.",
    ),
    "keys_rotated": Kind(
        "warning",
        "The keeper replaced every key at once, and everybody was signed out.",
        "If that was none of you, somebody else has the machine.",
    ),
    "incident": Kind(
        "warning",
        "The keeper used a command for incidents.",
        "If that was none of you, somebody else has the machine.",
    ),
    "test": Kind(
        "notice",
        "The keeper asked for a test of the ways on which alerts go.",
        "Nothing.",
    ),
}  # fmt: skip
"""A kind is public: receivers of webhooks know it by `alert.` and its name."""
