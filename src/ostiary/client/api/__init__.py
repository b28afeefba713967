"""The whole API of a house, typed, for programs with an event loop and without.

`OstiaryClient` and `AsyncOstiaryClient` have the same methods, in groups: `client.auth.login(...)`,
`client.account.me()`, `client.api_keys.create(...)`, `client.admin.providers.list()`. What they refuse is raised as an
`ApiProblem`, or a subclass where somebody would want to tell it apart.
"""

from __future__ import annotations

from ostiary.client.api.awaiting import AsyncOstiaryClient
from ostiary.client.api.blocking import OstiaryClient
from ostiary.client.api.call import UNSET, Unset
from ostiary.client.api.errors import (
    AnswerNotUnderstood,
    ApiProblem,
    FieldFault,
    FieldsRefused,
    LimitReached,
    Locked,
    NoAnswer,
    NotPermitted,
    NotThere,
    OstiaryError,
    ProofRefused,
    SignInNeeded,
    StepUpNeeded,
    Unavailable,
)
from ostiary.client.api.pages import AsyncPages, Pages
from ostiary.client.api.shapes import PasswordChangeOwed, SecondFactorOwed, SignedIn, SignInResult
from ostiary.client.api.tokens import Tokens
from ostiary.client.api.wire import Bounds

__all__ = [
    "UNSET",
    "AnswerNotUnderstood",
    "ApiProblem",
    "AsyncOstiaryClient",
    "AsyncPages",
    "Bounds",
    "FieldFault",
    "FieldsRefused",
    "LimitReached",
    "Locked",
    "NoAnswer",
    "NotPermitted",
    "NotThere",
    "OstiaryClient",
    "OstiaryError",
    "Pages",
    "PasswordChangeOwed",
    "ProofRefused",
    "SecondFactorOwed",
    "SignInNeeded",
    "SignInResult",
    "SignedIn",
    "StepUpNeeded",
    "Tokens",
    "Unavailable",
    "Unset",
]
