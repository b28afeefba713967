"""The JSON shapes that passkeys take: WebAuthn Level 3, section 5.1 (`toJSON`), and our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ostiary.core.clock import iso
from ostiary.core.errors import FieldError, InvalidFields
from ostiary.core.secrets import unb64
from ostiary.passkeys.ceremony import (
    LONGEST_ATTESTATION,
    LONGEST_AUTHENTICATOR_DATA,
    LONGEST_CLIENT_DATA,
    LONGEST_CREDENTIAL_ID,
    LONGEST_SIGNATURE,
    Assertion,
    Registration,
)
from ostiary.web.answers import Answer, Moment

if TYPE_CHECKING:
    from ostiary.passkeys.queries import Passkey

LONGEST_HANDLE = 64  # section 5.4.3


def _encoded(longest: int) -> Any:  # noqa: ANN401 - stands in an Annotated
    return Field(max_length=(longest * 4 + 2) // 3, pattern=r"^[A-Za-z0-9_-]*$", description="base64url, unpadded")


def _decoded(field: str, text: str) -> bytes:
    try:
        return unb64(text)
    except ValueError:
        error = FieldError(f"credential.{field}", "This is not base64url as browsers write it.", "encoding")
        raise InvalidFields(errors=(error,)) from None


class FromBrowser(BaseModel):
    """What a browser made: members that later browsers add are ignored, as the standard wants it."""

    model_config = ConfigDict(extra="ignore", strict=True)


class AttestationBody(FromBrowser):
    """AuthenticatorAttestationResponseJSON."""

    clientDataJSON: Annotated[str, _encoded(LONGEST_CLIENT_DATA)]  # noqa: N815 - the standard's names
    attestationObject: Annotated[str, _encoded(LONGEST_ATTESTATION)]  # noqa: N815
    transports: list[Annotated[str, Field(max_length=32)]] = Field(default_factory=list, max_length=16)


class NewCredentialBody(FromBrowser):
    """RegistrationResponseJSON."""

    rawId: Annotated[str, _encoded(LONGEST_CREDENTIAL_ID)]  # noqa: N815
    type: Literal["public-key"]
    response: AttestationBody

    def read(self) -> Registration:
        """Return it as bytes.

        Raises:
            InvalidFields: Something is not base64url.
        """
        return Registration(
            _decoded("rawId", self.rawId), _decoded("response.clientDataJSON", self.response.clientDataJSON),
            _decoded("response.attestationObject", self.response.attestationObject), tuple(self.response.transports),
        )  # fmt: skip


class AssertionResponseBody(FromBrowser):
    """AuthenticatorAssertionResponseJSON; without a user handle it names nobody, as where somebody was named before."""

    clientDataJSON: Annotated[str, _encoded(LONGEST_CLIENT_DATA)]  # noqa: N815
    authenticatorData: Annotated[str, _encoded(LONGEST_AUTHENTICATOR_DATA)]  # noqa: N815
    signature: Annotated[str, _encoded(LONGEST_SIGNATURE)]
    userHandle: Annotated[str, _encoded(LONGEST_HANDLE)] | None = None  # noqa: N815


class AssertionBody(FromBrowser):
    """AuthenticationResponseJSON."""

    rawId: Annotated[str, _encoded(LONGEST_CREDENTIAL_ID)]  # noqa: N815
    type: Literal["public-key"]
    response: AssertionResponseBody

    def read(self) -> Assertion:
        """Return it as bytes.

        Raises:
            InvalidFields: Something is not base64url.
        """
        told = self.response
        return Assertion(
            _decoded("rawId", self.rawId), _decoded("response.clientDataJSON", told.clientDataJSON),
            _decoded("response.authenticatorData", told.authenticatorData),
            _decoded("response.signature", told.signature), _decoded("response.userHandle", told.userHandle or ""),
        )  # fmt: skip


class PasskeyOptions(Answer):
    """What a page hands to its browser: `publicKey` in the standard's own JSON form."""

    publicKey: dict[str, Any]  # noqa: N815


class PasskeyAnswer(Answer):
    """A passkey as its owner sees it."""

    id: str
    name: str
    created_at: Moment
    last_used_at: Moment | None
    backed_up: bool

    @classmethod
    def of(cls, passkey: Passkey) -> PasskeyAnswer:
        """Return the owner's view of a passkey."""
        used = iso(passkey.last_used_at) if passkey.last_used_at is not None else None
        return cls(
            id=passkey.id, name=passkey.name, created_at=iso(passkey.created_at), last_used_at=used,
            backed_up=bool(passkey.backed_up),
        )  # fmt: skip


class PasskeyList(Answer):
    """The passkeys of an account, the oldest first."""

    passkeys: list[PasskeyAnswer]
