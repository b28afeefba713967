"""The permissions that the house itself asks for, with a word on what each opens; all others are applications'."""

from __future__ import annotations

from typing import Final

HOUSE_PERMISSIONS: Final = {
    "csp-reports:read": "See what browsers reported of violated content policies.",
    "csp-reports:write": "Forget what browsers reported of violated content policies.",
    "providers:read": "See how the providers that people sign in at are set up, without their secrets.",
    "providers:write": "Set providers up, and remove them: who does vouches for everybody who signs in there.",
    "revocations:read": "Listen to the feed of ended sessions and changed accounts, by their ids.",
    "roles:read": "See every role, what it may do, and who holds it.",
    "roles:write": "Make, change, grant and take back roles and permissions, of what one may do oneself.",
}
"""A door asks for none that is not named here, and none stands here that no door asks for: two tests see to that."""
