"""Registration and the proving of addresses, as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ostiary.registration.service import Application, Registration
from ostiary.sessions import CookieHandover
from ostiary.sessions.answers import SignedInAnswer, UserAnswer
from ostiary.web.answers import Done, refusals
from ostiary.web.doors import AnyCaller, SignedInCaller, Strict, StrongCaller, TheVisit, api_router, service

router = api_router("registration")


class RegistrationBody(Strict):
    """What somebody fills in to get an account."""

    username: str = Field(max_length=200)
    email: str = Field(max_length=320)
    password: str = Field(max_length=1024)
    full_name: str | None = Field(None, max_length=400)


class TokenBody(Strict):
    """The secret from a letter."""

    token: str = Field(min_length=1, max_length=128)


class AddressBody(Strict):
    """A new address, and the password once more."""

    email: str = Field(max_length=320)
    current_password: str = Field(max_length=1024)


@router.post("/register", operation_id="register", status_code=201, responses=refusals(409, 429, body=True))
async def register(
    body: RegistrationBody,
    registration: Annotated[Registration, service(Registration)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
) -> SignedInAnswer:
    """Open a provisional account; a letter goes to the address."""
    application = Application(body.username, body.email, body.password, body.full_name or "")
    grant = await registration.register(caller, application)
    handover.give(visit, grant)
    return SignedInAnswer.of(grant)


@router.post("/email/verify", operation_id="verifyEmail", responses=refusals(401, 409, body=True))
async def verify_email(
    body: TokenBody, registration: Annotated[Registration, service(Registration)], caller: AnyCaller
) -> UserAnswer:
    """Prove an address with the single-use secret from its letter."""
    return UserAnswer.of(await registration.confirm(caller, body.token))


@router.post("/email/change", operation_id="changeEmail", responses=refusals(401, 429, body=True))
async def change_email(
    body: AddressBody, registration: Annotated[Registration, service(Registration)], caller: StrongCaller
) -> Done:
    """Begin to change the address, after a fresh, strong proof: a letter goes to the new one, to be proven."""
    await registration.claim_new_address(caller, body.email, body.current_password)
    return Done(detail="We have written to the new address. Follow the link in the letter to confirm it.")


@router.post("/email/resend", operation_id="resendEmail", responses=refusals(401, 403))
async def resend_email(registration: Annotated[Registration, service(Registration)], caller: SignedInCaller) -> Done:
    """Send the confirmation letter again."""
    await registration.resend(caller)
    return Done(detail="If an address is waiting to be confirmed, the letter is on its way again.")
