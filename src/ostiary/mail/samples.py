"""Facts that nobody stands behind: to look at a letter, and to check one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from ostiary.mail.kinds import KINDS

FACTS: Final[dict[str, Any]] = {
    "username": "mira",
    "disown_link": "/auth/not-me?token=not-a-real-one",
    "hours": 24,
    "minutes": 15,
    "new_address": "mira.novak@example.org",
    "when": datetime(2026, 11, 22, 8, 13, tzinfo=UTC),
    "until": datetime(2026, 12, 6, 8, 13, tzinfo=UTC),
    "agent": "Firefox on Linux",
    "address": "192.0.2.4",
    "name": "Blue key",
    "key": "ost_034ShhzcBsH8x6tFsaH3pY",
    "factor": "totp",
    "replaces": False,
    "codes": 10,
    "left": 3,
    "number": "+46 ••• 67",
    "code": "K7QM-2XHD",
    "provider": "GitHub",
    "alert": "spraying_seen",
    "alert_id": "AZabcdefgh",
    "severity": "critical",
    "words": "A few passwords are being tried on many accounts.",
    "advice": "Read the incident guide; look at who signed in since it began.",
    "facts": "accounts: 40",
    "paragraphs": ["Somebody could read a copy of our database.", "Please choose a new password."],
}
PLACE: Final = "Lyon, France"
READER: Final = "mira@example.org"


_LINKS: Final = {
    "password_reset": "reset", "account_locked": "unlock", "sign_in_refused": "unlock", "account_erasing": "keep",
    "sign_in_link": "magic-link",
}  # fmt: skip


def sample(kind: str) -> dict[str, Any]:
    """Return everything that a kind of letter needs."""
    facts = FACTS | {"link": f"/auth/{_LINKS.get(kind, 'confirm')}?token=not-a-real-one"}
    return {name: facts[name] for name in KINDS[kind]}
