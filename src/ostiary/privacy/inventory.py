"""Every column of every table: what it says about a person, and what becomes of that.

A test walks the tables and fails on a column that is not named here, and on a
name here that is no column. Another fills an account with everything, exports
it, and looks for each place that is named. Who adds a column decides here
whether the person it tells of will see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Columns = dict[str, "Exported | Secret | Nobodys | OfTheHouse"]


@dataclass(frozen=True, slots=True)
class Exported:
    """Its owner gets it.

    Attributes:
        place: Where in the document: names with dots between, lists walked through.
    """

    place: str


@dataclass(frozen=True, slots=True)
class Secret:
    """Never exported, not even to its owner: whoever had the file could use it."""

    because: str


@dataclass(frozen=True, slots=True)
class Nobodys:
    """Not about a person."""

    because: str


@dataclass(frozen=True, slots=True)
class OfTheHouse:
    """About the house: how it works and what it proves, whoever lives in it."""

    because: str


def _all(columns: str, fate: Nobodys | OfTheHouse) -> Columns:
    return dict.fromkeys(columns.split(), fate)


def _together(*parts: Columns) -> Columns:
    return {name: fate for part in parts for name, fate in part.items()}


def _sections(section: str, columns: str, **others: str) -> Columns:
    places = {name: name for name in columns.split()} | others
    return {name: Exported(f"{section}.{place}") for name, place in places.items()}


_OWNER = Exported("account.id")
_DIGEST = Secret("a keyed digest: says nothing to its owner, and a guess could be tried against it")

INVENTORY: Final[dict[str, Columns]] = {
    "accounts": _sections(
        "account",
        "id username full_name email email_proven_at status epoch created_at lapses_at language kind",
        username_key="username",
        username_skeleton="username",
        email_key="email",
    ),
    "address_claims": _together(
        {"account_id": _OWNER},
        _sections("address_claims", "id email claimed_at lapses_at", email_key="email"),
    ),
    "account_permissions": {"account_id": _OWNER, "permission": Exported("permissions")},
    "roles": _all("id name description created_at deleted_at", OfTheHouse("what may be granted together")),
    "role_permissions": _all("role_id permission", OfTheHouse("what each of them permits")),
    "account_roles": {"account_id": _OWNER} | _sections("roles", "since", role_id="id"),
    "account_erasures": {"account_id": _OWNER} | _sections("erasure", "id asked_at due_at was"),
    "resting_names": {
        "digest": _DIGEST,
        "rests_until": Nobodys("stands beside a digest; whose name it was is not stored"),
    },
    "passwords": _together(
        {
            "account_id": _OWNER,
            "hash": Secret("the hash of a password can be guessed at"),
        },
        _sections("password", "changed_at used_at"),
    ),
    "account_keys": {
        "account_id": _OWNER,
        "sealed": Secret("the key under which what is personal is sealed; erasing is destroying it"),
    },
    "onetime_tokens": _together(
        {
            "account_id": _OWNER,
            "digest": Secret("the digest of a link's secret"),
            "subject": Secret("what the link is bound to: digests of a mailbox and of a password's hash"),
        },
        _sections("links", "purpose issued_at expires_at spent_at"),
    ),
    "sessions": _together(
        {
            "account_id": _OWNER,
            "device_key": Secret("proves that a device is there; of no use to a person"),
            "number": Nobodys("a place in a list of a hundred thousand, by which tokens are found to have ended"),
        },
        _sections(
            "sessions",
            "id refreshed_at refreshed_by started_at authenticated_at methods seen_at idle_ends_at ends_at ended_at "
            "end_reason address agent bound_at proven_at",
            account_epoch="epoch",
            generation="refreshes",
            device_id="browser",
        ),
    ),
    "welcome_devices": _together(
        {"account_id": _OWNER},
        _sections("welcome_browsers", "", device_id="browser", welcome_until="until"),
    ),
    "remembered_browsers": _together(
        {
            "account_id": _OWNER,
            "standing": Secret("a digest of what must not change: of the password's hash, too"),
        },
        _sections("remembered_browsers", "remembered_at", device_id="browser"),
    ),
    "risk_baselines": _together(
        {"account_id": _OWNER},
        _sections("habits", "signins updated_at", sealed="learned"),
    ),
    "alerts": _together(
        {
            "account_id": _OWNER,
            "subject": _DIGEST,
            "open_as": _DIGEST,
        },
        _sections("alerts", "id at kind severity count last_at quiet_until"),
    ),
    "incident_notices": _sections("notices", "id at message"),
    "incident_receipts": {
        "account_id": _OWNER,
        "notice_id": Exported("notices.id"),
        "at": Exported("notices.queued_at"),
    },
    "outbox": _together(
        {
            "claimed_until": OfTheHouse("which worker has a job in hand"),
        },
        _sections("letters", "id job payload run_at attempts failed_at last_error"),
    ),
    "journal": _together(
        {
            "account_id": _OWNER,
            "chain": OfTheHouse("proves that no entry was changed, in whatever strand it stands"),
        },
        _sections("journal", "strand position at action session_id request_id details", sealed="private"),
    ),
    "journal_strands": _all("strand entries head key_id mac", OfTheHouse("where each strand of the journal ends")),
    "journal_bases": _all("strand position chain key_id mac", OfTheHouse("where each strand of the journal begins")),
    "journal_checkpoints": _all("sequence at jws", OfTheHouse("signed statements on the whole journal")),
    "keys": _together(
        _all("id purpose algorithm published_at activates_at retires_at expires_at", OfTheHouse("its keys")),
        {"sealed": Secret("key material of the house")},
    ),
    "session_numbers": _all(
        "number given_at", Nobodys("numbers that were given, and when; whose they became is not stored here")
    ),
    "signals": _all(
        "sequence kind subject at", OfTheHouse("tells its processes which id has changed, for ten minutes")
    ),
    "counters": _together(
        _all("name spent opened_at closes_at", OfTheHouse("how often something was tried")),
        {"digest": _DIGEST},
    ),
    "address_blocks": _all(
        "network bars reason created_at expires_at", OfTheHouse("networks shut out; who uses them is not stored")
    ),
    "passkeys": _together(
        {
            "account_id": _OWNER,
            "credential_id": Secret("the authenticator's name for it, which links its owner across copies"),
            "public_key": Secret("proves answers; of no use to a person"),
        },
        _sections(
            "passkeys",
            "id sign_count aaguid attestation transports backup_eligible backed_up user_verified name created_at "
            "last_used_at",
        ),
    ),
    "api_keys": _together(
        {
            "account_id": _OWNER,
            "digest": Secret("the digest of the key's secret"),
            "previous_digest": Secret("the digest of the secret before"),
        },
        _sections(
            "api_keys",
            "id name prefix scopes networks generation previous_ends_at created_at rotated_at expires_at revoked_at "
            "last_used_at",
            account_epoch="epoch",
        ),
    ),
    "passkey_users": {
        "account_id": _OWNER,
        "handle": Secret("the name by which authenticators know the account, random bytes"),
    },
    "passkey_challenges": _all("digest expires_at", OfTheHouse("challenges that are used up; whose is not stored")),
    "totp_authenticators": _together(
        {"account_id": _OWNER, "sealed": Secret("the secret from which an authenticator app makes its codes, sealed")},
        _sections("authenticator", "id added_at last_used_at last_step"),
    ),
    "totp_enrolments": _together(
        {"account_id": _OWNER, "sealed": Secret("the secret of an app that is about to be set up, sealed")},
        _sections("authenticator_enrolment", "id session_id begun_at expires_at", account_epoch="epoch"),
    ),
    "recovery_codes": _together(
        {"account_id": _OWNER, "digest": _DIGEST},
        _sections("recovery_codes", "made_at used_at"),
    ),
    "magic_links": _together(
        {
            "account_id": _OWNER,
            "code_digest": _DIGEST,
        },
        _sections("sign_in_links", "asked_at expires_at agent address", asked="id"),
    ),
    "phones": {"account_id": _OWNER} | _sections("phone", "added_at last_used_at", sealed="number"),
    "text_codes": _together(
        {
            "account_id": _OWNER,
            "attempt": _DIGEST,
            "digest": _DIGEST,
        },
        _sections("text_codes", "purpose sent_at expires_at guesses spent_at", sealed="number"),
    ),
    "federation_providers": _together(
        _all("slug settings created_at changed_at", OfTheHouse("where people may sign in besides")),
        {"sealed": Secret("the client's own secret at the provider")},
    ),
    "federation_transactions": _together(
        {
            "account_id": _OWNER,
            "digest": _DIGEST,
            "browser": Secret("the digest of a cookie"),
            "sealed": Secret("what proves that an answer is to this question"),
        },
        _all(
            "id provider purpose session_id expires_at spent_at",
            OfTheHouse("a way to a provider that is under way for minutes, and gone within an hour"),
        ),
    ),
    "federated_identities": _together(
        {"account_id": _OWNER},
        _sections("connections", "id provider issuer subject email email_verified name linked_at last_used_at"),
    ),
    "upstream_tokens": _together(
        {
            "connection_id": Exported("connections.id"),
            "access": Secret("opens the owner's account elsewhere, without them"),
            "refresh": Secret("the same, for longer"),
            "claimed_until": OfTheHouse("which process renews it just now"),
            "version": Exported("connections.access.renewals"),
        },
        _sections("connections.access", "scopes expires_at stored_at ended_at"),
    ),
    "processes": _all("id seen_at", OfTheHouse("its own processes")),
    "csp_reports": _all(
        "id directive blocked page source disposition sample count first_seen_at last_seen_at",
        Nobodys("what browsers reported of our own pages, counted, without who they are"),
    ),
}
"""By table and column."""
