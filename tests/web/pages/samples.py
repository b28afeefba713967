"""Every page in every state worth looking at, with the words a route would give it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from ostiary.codes import Standing as Codes
from ostiary.login.pages import Work
from ostiary.login.step_up import Offers
from ostiary.mfa import Standing
from ostiary.texts import Telephone
from ostiary.totp.picture import drawn
from ostiary.totp.queries import Authenticator
from ostiary.web.render import Form

NONCE = "c2FtcGxlLW5vbmNl"
CSRF = "a-token-from-the-server"
THEN = datetime(2026, 11, 22, 8, 13, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Account:
    username: str = "mira"
    email: str = "mira.lindqvist@example.org"
    email_verified: bool = True
    full_name: str | None = "Mira Lindqvist"
    is_alive: bool = True
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Session:
    id: str
    agent: str
    place: str | None
    address: str
    started_at: datetime
    seen_at: datetime
    current: bool = False
    bound: bool = False


@dataclass(frozen=True)
class Letter:
    id: str
    to: str
    subject: str
    sent_at: datetime
    text: str = ""
    language: str = "en"


@dataclass(frozen=True)
class Sample:
    """One page in one state."""

    name: str
    template: str
    context: dict[str, Any]


@dataclass(frozen=True)
class Disowned:
    account: Account
    is_own: bool
    loses_protection: bool = False

    @property
    def comes_back_by_letter(self) -> bool:
        return self.is_own and not self.loses_protection


MIRA = Account()
OWN, FORMER = Disowned(MIRA, is_own=True), Disowned(MIRA, is_own=False)
PROTECTED = Disowned(MIRA, is_own=True, loses_protection=True)
KEPT, STAYS_CLOSED = MIRA, Account(is_alive=False)
NEW = Account(
    "jonas_w", "jonas@a-rather-long-host-name.with-some-more.example.org", email_verified=False, full_name=None
)
SESSIONS = [
    Session(
        "s1", "Safari on iPhone", "Uppsala, Sweden", "2001:db8:85a3::8a2e:370:7334", THEN - timedelta(days=9), THEN
    ),
    Session(
        "s2", "Firefox on Linux", "Stockholm, Sweden", "192.0.2.44", THEN - timedelta(hours=30), THEN, current=True
    ),
    Session(
        "s3", "Chrome on Windows", None, "198.51.100.7", THEN - timedelta(days=3), THEN - timedelta(days=2), bound=True
    ),
]
LANGUAGES = {
    "languages": [("as-asked", "As my browser asks", None), ("de", "Deutsch", "de"), ("en", "English", "en")],
    "language": "de",
}
EASY_CHALLENGE = {
    "parameters": {
        "algorithm": "PBKDF2/SHA-256",
        "cost": 500,
        "keyLength": 32,
        "keyPrefix": "ca02a17c89661ace3c1c108a92f86a6a",
        "nonce": "a11950f74df9bab3b63ffc8ea107a9bc",
        "salt": "4a185ffe8335ba7b954d58cb4f37f615",
        "keySignature": "ed" * 32,
        "expiresAt": 1795349017,
        "data": {"key": "k1", "tries": 40},
    },
    "signature": "a8" * 32,
}
LETTERS = [
    Letter(
        "l1", MIRA.email, "Confirm your address for Ostiary", THEN, "Hello mira,\n\nhttps://id.example.org/c?t=a&b=1.\n"
    ),
    Letter("l2", NEW.email, "Your password was changed", THEN - timedelta(days=1)),
]
REFUSED = Form(
    values={"username": "admin", "email": "mira@", "full_name": "Mira"},
    errors={
        "username": ["This username is reserved."],
        "email": ["The part after the @ is missing."],
        "password": ["It holds your username.", "It is on the list of common passwords."],
    },
)


WORK = Work(json.dumps(EASY_CHALLENGE), 300, THEN + timedelta(minutes=30))


PASSKEYS: dict[str, Any] = {
    "account": MIRA,
    "rp_id": "localhost",
    "handle": "aGFuZGxl",
    "accepted": ["a2V5", "cGhvbmU"],
    "passkeys": [
        {"id": "k1", "name": "Blue key", "backed_up": False, "created_at": THEN, "last_used_at": None},
        {"id": "k2", "name": "My phone", "backed_up": True, "created_at": THEN, "last_used_at": THEN},
    ],
}


TOTP: dict[str, Any] = {"account": MIRA, "authenticator": None, "enrolment": None, "is_new": False, "codes": ()}
APP = {"added_at": THEN - timedelta(days=40), "last_used_at": THEN}
URI = "otpauth://totp/Ostiary:mira?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Ostiary"
ENROLMENT = {"groups": ["JBSW", "Y3DP", "EHPK", "3PXP"] * 2, "uri": URI, "picture": Markup(drawn(URI))}
CODES = tuple(f"{number}K3M-4567-89AB-CDEF-GHJK-MNPQ" for number in range(10))
RECOVERY: dict[str, Any] = {"account": MIRA, "codes": (), "made": 10, "left": 8, "low": 3, "made_at": THEN}
ASKED: dict[str, Any] = {
    "username": "mira",
    "is_same_browser": True,
    "asked_at": THEN,
    "device": "Firefox on Linux",
    "place": "Uppsala, Sweden",
    "address": "192.0.2.44",
}
PHONE: dict[str, Any] = {"number": "+46 ••• 67", "added_at": THEN, "last_used_at": None}
TEXTS = {"account": MIRA, "phone": None, "pending": None, "are_offered": True}
WELL = Standing(
    strongest="phr", has_password=True, totp=None, codes=Codes(10, 8, 0), passkeys=2, phone=None, browsers=1,
    sessions=1, api_keys=2, connections=1,
)  # fmt: skip
BARE = Standing(
    strongest="aal1", has_password=True, totp=None, codes=Codes(0, 0, None), passkeys=0, phone=None, browsers=0,
    sessions=3, api_keys=0, connections=0,
)  # fmt: skip
TWO_PROOFS = Standing(
    strongest="aal2", has_password=True, totp=Authenticator("a", "b", b"", 0, 0, None), codes=Codes(10, 2, 0),
    passkeys=0, phone=Telephone("+46 ••• 67", 0, None), browsers=2, sessions=1, api_keys=0, connections=0,
)  # fmt: skip
STEP = {"ticket": "t0k", "login": "mira", "next": "/auth/account", "is_sent": False, "is_step_up": False, "days": 30}
EVERY_METHOD = ("passkey", "totp", "sms", "recovery_code")
API_KEY = {
    "id": "034ShhzcBsH8x6tFsaH3pY", "name": "Backup of the library", "hint": "ost_034ShhzcBsH8x6tFsaH3pY",
    "scopes": ["books:lend", "books:read"], "networks": ["203.0.113.0/24", "2001:db8:85a3::/48"], "is_over": False,
    "created_at": THEN, "expires_at": THEN + timedelta(days=90), "last_used_at": THEN, "previous_ends_at": THEN,
}  # fmt: skip
OLD_KEY = API_KEY | {
    "id": "0355bewtiayvgYF0IhNPyN", "name": "Old", "scopes": [], "networks": [], "is_over": True, "last_used_at": None,
    "previous_ends_at": None,
}  # fmt: skip
API_KEYS: dict[str, Any] = {
    "account": MIRA, "keys": [API_KEY, OLD_KEY], "issued": None, "may_last": True,
    "lifetimes": ["P30D", "P90D", "P1Y", ""], "overlaps": ["PT0S", "PT1H", "P1D", "P7D"],
}  # fmt: skip
ISSUED = {"key": API_KEY, "text": "ost_034ShhzcBsH8x6tFsaH3pY_xtapMrRYKI3HPf3Ob972yp2XwuSRgkfvM5n6JELi76J4ebs1P"}

LIBRARIAN = {
    "name": "librarian", "description": "Whoever stands at the counter",
    "may": [("books:lend", None), ("csp-reports:read", "See what browsers reported of violated content policies.")],
}  # fmt: skip
NOTHING = {"name": "a-role-with-a-name-as-long-as-names-of-roles-may-be-at-the-most-64", "description": "", "may": []}
HOLDERS = [
    {"id": "a1", "username": "mira", "is_alive": True, "since": THEN},
    {"id": "a2", "username": "jonas_w", "is_alive": False, "since": THEN - timedelta(days=400)},
]
ROLES: dict[str, Any] = {
    "account": MIRA, "roles": [LIBRARIAN, NOTHING], "known": LIBRARIAN["may"], "may_write": True, "next": "",
}  # fmt: skip
ROLE: dict[str, Any] = {"account": MIRA, "role": LIBRARIAN, "holders": HOLDERS, "may_write": True, "next": ""}


def samples() -> list[Sample]:
    """Return every state, each complete but for `nonce`."""
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("sign-in", "sign_in.html", {}),
        ("sign-in-again", "sign_in.html", {"reason": "password-changed", "next": "/auth/account"}),
        (
            "sign-in-refused",
            "sign_in.html",
            {"form": Form({"login": "mira"}, {}, "The address or the password is not right.")},
        ),
        ("sign-in-by-mail-too", "sign_in.html", {"offered": {"links"}, "next": "/auth/sessions"}),
        ("link", "link.html", {"next": ""}),
        ("link-limited", "link.html", {"next": "", "form": Form({"email": "m@x.org"}, {}, "Too many attempts.")}),
        ("link-sent", "link_sent.html", {}),
        ("link-sent-wrong", "link_sent.html", {"form": Form({}, {}, "This code is not right, or it is too old.")}),
        ("magic-link", "magic_link.html", {"token": "t0k", "offer": ASKED}),
        (
            "magic-link-elsewhere",
            "magic_link.html",
            {"token": "t0k", "offer": ASKED | {"username": "mi•••", "is_same_browser": False}},
        ),
        ("magic-link-too-late", "magic_link.html", {"token": "", "offer": None}),
        ("new-password", "new_password.html", {"ticket": "t0k", "login": "mira", "next": "/auth/account"}),
        (
            "new-password-refused",
            "new_password.html",
            {
                "ticket": "t0k",
                "login": "mira",
                "form": Form(errors={"new_password": ["This password is known from a data breach."]}),
            },
        ),
        ("second-factor", "second_factor.html", STEP | {"methods": EVERY_METHOD, "method": "passkey"}),
        ("second-factor-code", "second_factor.html", STEP | {"methods": EVERY_METHOD, "method": "totp"}),
        (
            "second-factor-sent",
            "second_factor.html",
            STEP | {"methods": ("sms",), "method": "sms", "is_sent": True, "is_step_up": True, "days": 0},
        ),
        (
            "second-factor-refused",
            "second_factor.html",
            STEP
            | {"methods": ("recovery_code", "unheard-of"), "method": "recovery_code", "days": 1}
            | {"form": Form(problem="This is not right, or was used before.")},
        ),
        ("second-factor-none", "second_factor.html", STEP | {"methods": (), "method": ""}),
        (
            "step-up",
            "step_up.html",
            {"account": MIRA, "offers": Offers(has_password=True, strongest="phr"), "is_beyond": False},
        ),
        (
            "step-up-beyond",
            "step_up.html",
            {
                "account": MIRA,
                "offers": Offers(has_password=True, strongest="aal1"),
                "is_beyond": True,
                "form": Form(errors={"password": ["Your current password is not right."]}),
            },
        ),
        ("register", "register.html", {}),
        ("register-refused", "register.html", {"form": REFUSED}),
        ("check-mail", "check_mail.html", {"email": MIRA.email, "account": NEW}),
        (
            "sign-in-work",
            "sign_in.html",
            {
                "form": Form({"login": "mira"}, {}, "Too many wrong passwords were tried for this name."),
                "work": WORK,
            },
        ),
        ("confirm", "confirm.html", {"token": "t0k", "claim": MIRA}),
        ("confirm-too-late", "confirm.html", {"token": "t0k", "claim": None}),
        ("confirmed", "confirmed.html", {"account": MIRA}),
        ("account", "account.html", {"account": MIRA, "flash": "Your profile is saved."} | LANGUAGES),
        ("account-keeper", "account.html", {"account": replace(MIRA, permissions=("roles:read",))} | LANGUAGES),
        ("account-unconfirmed", "account.html", {"account": NEW} | LANGUAGES),
        (
            "account-refused",
            "account.html",
            {
                "account": MIRA,
                "form": Form({"email": "m@example.net"}, {"current_password": ["The password is not right."]}),
                **LANGUAGES,
            },
        ),
        ("sessions", "sessions.html", {"account": MIRA, "sessions": SESSIONS}),
        (
            "sessions-one",
            "sessions.html",
            {"account": MIRA, "sessions": SESSIONS[1:2], "flash": "The session has ended."},
        ),
        ("passkeys", "passkeys.html", PASSKEYS),
        ("passkeys-none", "passkeys.html", PASSKEYS | {"passkeys": [], "accepted": []}),
        (
            "passkeys-refused",
            "passkeys.html",
            PASSKEYS | {"form": Form({}, {}, "This passkey is the only way into the account.")},
        ),
        ("totp", "totp.html", TOTP),
        ("totp-enrolment", "totp.html", TOTP | {"enrolment": ENROLMENT}),
        (
            "totp-refused",
            "totp.html",
            TOTP
            | {
                "enrolment": ENROLMENT,
                "authenticator": APP,
                "form": Form({}, {"code": ["This is not the code that the app shows now."]}),
            },
        ),
        (
            "totp-new",
            "totp.html",
            TOTP | {"authenticator": APP | {"last_used_at": None}, "is_new": True, "codes": CODES},
        ),
        ("totp-set-up", "totp.html", TOTP | {"authenticator": APP}),
        ("recovery-codes", "recovery_codes.html", RECOVERY),
        ("recovery-codes-few", "recovery_codes.html", RECOVERY | {"left": 0}),
        ("recovery-codes-none", "recovery_codes.html", RECOVERY | {"made": 0, "left": 0, "made_at": None}),
        ("recovery-codes-new", "recovery_codes.html", RECOVERY | {"codes": CODES}),
        ("phone", "phone.html", TEXTS | {"phone": PHONE}),
        ("phone-none", "phone.html", TEXTS),
        ("phone-pending", "phone.html", TEXTS | {"pending": "+46 ••• 67"}),
        ("phone-not-offered", "phone.html", TEXTS | {"are_offered": False}),
        (
            "phone-refused",
            "phone.html",
            TEXTS | {"form": Form({"number": "070"}, {"number": ["Write it with + and the country's prefix."]})},
        ),
        ("security", "security.html", {"account": MIRA, "standing": WELL, "low": 3}),
        ("security-bare", "security.html", {"account": NEW, "standing": BARE, "low": 3}),
        (
            "security-two-proofs",
            "security.html",
            {"account": MIRA, "standing": TWO_PROOFS, "low": 3, "offered": {"texts"}},
        ),
        (
            "security-no-password",
            "security.html",
            {"account": MIRA, "standing": replace(BARE, has_password=False), "low": 3},
        ),
        ("api-keys", "api_keys.html", API_KEYS),
        ("api-keys-new", "api_keys.html", API_KEYS | {"issued": ISSUED}),
        ("api-keys-none", "api_keys.html", API_KEYS | {"keys": []}),
        (
            "api-keys-refused",
            "api_keys.html",
            API_KEYS | {"form": Form({"name": "x", "lifetime": ""}, {"scopes": ["A scope looks like books:lend."]})},
        ),
        ("roles", "roles.html", ROLES | {"next": "librarian"}),
        ("roles-none", "roles.html", ROLES | {"roles": [], "may_write": False}),
        (
            "roles-refused",
            "roles.html",
            ROLES | {"form": Form({"role": "x"}, {"role": ["There is a role of this name already."]})},
        ),
        ("role", "role.html", ROLE | {"next": "a2"}),
        ("role-empty", "role.html", ROLE | {"role": NOTHING, "holders": [], "may_write": False}),
        ("role-refused", "role.html", ROLE | {"form": Form({"username": "x"}, {}, "There is no such account.")}),
        ("password", "password.html", {"account": MIRA}),
        (
            "password-refused",
            "password.html",
            {"account": MIRA, "form": Form(errors={"new_password": ["It is one of the most common passwords."]})},
        ),
        ("signed-out", "signed_out.html", {}),
        ("forgot", "forgot.html", {"is_sent": False}),
        ("forgot-limited", "forgot.html", {"is_sent": False, "form": Form({}, {}, "Too many attempts.")}),
        ("forgot-sent", "forgot.html", {"is_sent": True}),
        ("reset", "reset.html", {"token": "t0k", "account": MIRA}),
        (
            "reset-refused",
            "reset.html",
            {"token": "t0k", "account": MIRA, "form": Form(errors={"new_password": ["It holds your username."]})},
        ),
        ("reset-too-late", "reset.html", {"token": "t0k", "account": None}),
        ("not-me", "not_me.html", {"token": "t0k", "disowned": OWN, "is_done": False}),
        ("not-me-former", "not_me.html", {"token": "t0k", "disowned": FORMER, "is_done": False}),
        ("not-me-done", "not_me.html", {"token": "", "disowned": OWN, "is_done": True}),
        ("not-me-former-done", "not_me.html", {"token": "", "disowned": FORMER, "is_done": True}),
        ("not-me-protected", "not_me.html", {"token": "t0k", "disowned": PROTECTED, "is_done": False}),
        ("not-me-protected-done", "not_me.html", {"token": "", "disowned": PROTECTED, "is_done": True}),
        ("not-me-too-late", "not_me.html", {"token": "", "disowned": None, "is_done": False}),
        ("erase", "erase.html", {"account": MIRA, "is_sure": False, "days": 14, "rest_days": 90}),
        ("erase-unconfirmed", "erase.html", {"account": NEW, "is_sure": False, "days": 14, "rest_days": 90}),
        ("erase-sure", "erase.html", {"account": MIRA, "is_sure": True, "has_password": True, "days": 14}),
        (
            "erase-sure-passwordless",
            "erase.html",
            {"account": MIRA, "is_sure": True, "has_password": False, "days": 14},
        ),
        ("erasing", "erasing.html", {"erased": MIRA, "due_at": THEN + timedelta(days=14)}),
        ("keep", "keep.html", {"token": "t0k", "kept": {"username": MIRA.username, "due_at": THEN}, "done": None}),
        ("keep-done", "keep.html", {"token": "", "kept": None, "done": KEPT}),
        ("keep-done-closed", "keep.html", {"token": "", "kept": None, "done": STAYS_CLOSED}),
        ("keep-too-late", "keep.html", {"token": "", "kept": None, "done": None}),
        ("unlock", "unlock.html", {"token": "t0k", "unlocked": MIRA, "is_done": False}),
        ("unlock-done", "unlock.html", {"token": "", "unlocked": None, "is_done": True}),
        ("unlock-too-late", "unlock.html", {"token": "", "unlocked": None, "is_done": False}),
        (
            "problem",
            "problem.html",
            {
                "title": "The server is busy.",
                "detail": "More people want in than it can let in at once.",
                "status": 503,
                "request_id": "01JD9W2M4YQ7V8",
            },
        ),
        ("problem-missing", "problem.html", {"title": "There is no such page.", "status": 404, "account": MIRA}),
        ("mailbox", "dev/mailbox.html", {"letters": LETTERS}),
        ("mailbox-empty", "dev/mailbox.html", {"letters": []}),
        ("letter", "dev/letter.html", {"letter": LETTERS[0]}),
        (
            "texts",
            "dev/texts.html",
            {"texts": [{"to": "+46701234567", "body": "123456 confirms.\n\n@id.example #1"}]},
        ),
        ("texts-empty", "dev/texts.html", {"texts": []}),
    ]
    return [Sample(name, template, {"csrf_token": CSRF} | context) for name, template, context in rows]
