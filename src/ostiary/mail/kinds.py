"""Each kind of letter, and the facts it cannot do without."""

from __future__ import annotations

from typing import Final

_DONE = frozenset({"username", "agent", "address", "when", "disown_link"})

KINDS: Final[dict[str, frozenset[str]]] = {
    "confirm_address": frozenset({"username", "link", "hours"}),
    "address_already_yours": frozenset(),
    "confirm_new_address": frozenset({"username", "link", "hours"}),
    "address_changed": frozenset({"username", "new_address", "when", "disown_link"}),
    "password_changed": _DONE,
    "password_reset": frozenset({"username", "link", "minutes"}),
    "password_was_reset": _DONE,
    "session_stolen": frozenset({"agent", "when", "disown_link"}),
    "new_sign_in": frozenset({"agent", "address", "when", "disown_link"}),
    "passkey_added": _DONE | {"name"},
    "passkey_removed": _DONE | {"name"},
    "passkey_copied": _DONE | {"name"},
    "factor_added": _DONE | {"factor", "replaces", "codes"},
    "factor_removed": _DONE | {"factor"},
    "second_factor_refused": _DONE,
    "recovery_codes_made": _DONE,
    "recovery_codes_low": _DONE | {"left"},
    "phone_added": _DONE | {"number"},
    "phone_removed": _DONE | {"number"},
    "sign_in_link": frozenset({"username", "link", "code", "minutes", "when", "agent", "address"}),
    "api_key_made": _DONE | {"name", "key"},
    "api_key_rotated": _DONE | {"name", "key"},
    "api_key_revoked": _DONE | {"name", "key"},
    "provider_linked": _DONE | {"provider", "name"},
    "provider_unlinked": _DONE | {"provider", "name"},
    "account_locked": frozenset({"username", "when", "link"}),
    "sign_in_refused": _DONE | {"link"},
    "account_erasing": _DONE | {"until", "link"},
    "account_kept": _DONE,
    "account_exported": _DONE,
    "alert": frozenset({"alert", "alert_id", "severity", "words", "advice", "facts", "when"}),
    "incident_notice": frozenset({"username", "paragraphs"}),
}
"""By name. Its words stand in `templates/<language>/<kind>.txt`, whose first line is the subject, and `.html`."""

OPTIONAL: Final = frozenset({"place"})
"""Facts that a letter says where they are known."""
