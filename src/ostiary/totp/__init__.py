"""One-time passwords from an authenticator app as a second factor (RFC 6238)."""

from ostiary.totp.errors import AuthenticatorCodeWrong, NoAuthenticator, NoEnrolment
from ostiary.totp.queries import Authenticator
from ostiary.totp.service import Activated, Enrolment, Totp, TotpProof

__all__ = [
    "Activated",
    "Authenticator",
    "AuthenticatorCodeWrong",
    "Enrolment",
    "NoAuthenticator",
    "NoEnrolment",
    "Totp",
    "TotpProof",
]
