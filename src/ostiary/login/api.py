"""Signing in and out as JSON, and proving inside a session who one is. By password: `lane`."""

from __future__ import annotations

from typing import Annotated

from ostiary.login.answers import (
    CodeShown,
    CodeWanted,
    OnTheWay,
    PasskeyBeside,
    PasskeyShown,
    PasswordAgain,
    Replacement,
    TicketShown,
    answered,
    hand_over,
)
from ostiary.login.second_step import SecondStep
from ostiary.login.service import Login
from ostiary.login.step_up import StepUp
from ostiary.passkeys import Passkeys
from ostiary.passkeys.answers import PasskeyOptions
from ostiary.sessions import CookieHandover, Sessions
from ostiary.sessions.answers import SignedInAnswer
from ostiary.web.answers import SECURITY, Done, refusals
from ostiary.web.doors import (
    AnyCaller,
    EnteringCaller,
    PerhapsSignedInCaller,
    SignedInCaller,
    TheEdge,
    TheVisit,
    api_router,
    service,
)

router = api_router("login")

TheDesk = Annotated[Login, service(Login)]
TheSecondStep = Annotated[SecondStep, service(SecondStep)]
TheStepUp = Annotated[StepUp, service(StepUp)]
TheHandover = Annotated[CookieHandover, service(CookieHandover)]
ThePasskeys = Annotated[Passkeys, service(Passkeys)]


@router.post("/password/replace", operation_id="replacePassword", responses=refusals(401, 423, 429, body=True))
async def replace_password(
    replacement: Replacement, desk: TheDesk, handover: TheHandover, caller: EnteringCaller, visit: TheVisit
) -> SignedInAnswer | OnTheWay:
    """Replace a password that a sign-in found to be breached, and sign in; every other session ends."""
    return answered(handover, visit, await desk.with_replacement(caller, replacement.ticket, replacement.new_password))


@router.post("/passkeys/sign-in/finish", operation_id="signInWithPasskey", responses=refusals(401, 422, 429, body=True))
async def finish_passkey_sign_in(
    body: PasskeyShown, desk: TheDesk, passkeys: ThePasskeys, handover: TheHandover, caller: EnteringCaller,
    visit: TheVisit, edge: TheEdge,
) -> SignedInAnswer:  # fmt: skip
    """Sign in by a passkey, without a name: two factors in one step."""
    browser = passkeys.challenges.browser_in(edge.cookies.read(visit, "passkey"))
    grant = await desk.with_passkey(caller, body.credential.read(), browser)
    visit.answers.append(edge.cookies.clear("passkey"))
    return hand_over(handover, visit, grant)


# --- The second factor


@router.post("/mfa/verify", operation_id="showSecondFactor", responses=refusals(401, 403, 429, body=True))
async def show_second_factor(
    body: CodeShown, step: TheSecondStep, handover: TheHandover, caller: PerhapsSignedInCaller, visit: TheVisit
) -> SignedInAnswer | OnTheWay:
    """End a sign-in or a step-up by a code; a wrong one leaves the ticket good."""
    entered = await step.by_code(caller, body.ticket, body.method, body.code, remember=body.remember)
    return answered(handover, visit, entered)


@router.post("/mfa/send", operation_id="sendSecondFactor", responses=refusals(401, 429, body=True))
async def send_second_factor(body: CodeWanted, step: TheSecondStep, caller: PerhapsSignedInCaller) -> Done:
    """Send the code of a factor that is sent, for the attempt that a ticket stands for."""
    await step.send(caller, body.ticket, body.method)
    return Done(detail="A code is on its way.")


@router.post("/mfa/passkey/begin", operation_id="beginPasskeySecondFactor", responses=refusals(401, body=True))
async def begin_passkey_second_factor(
    body: TicketShown, step: TheSecondStep, caller: PerhapsSignedInCaller
) -> PasskeyOptions:
    """Return what a browser needs to show one of the account's passkeys as the second factor."""
    return PasskeyOptions(publicKey=await step.passkey_options(caller, body.ticket))


@router.post(
    "/mfa/passkey/finish", operation_id="showPasskeySecondFactor", responses=refusals(401, 403, 429, body=True)
)
async def finish_passkey_second_factor(
    body: PasskeyBeside, step: TheSecondStep, handover: TheHandover, caller: PerhapsSignedInCaller, visit: TheVisit
) -> SignedInAnswer | OnTheWay:
    """End a sign-in or a step-up by a passkey."""
    entered = await step.by_passkey(caller, body.ticket, body.credential.read(), remember=body.remember)
    return answered(handover, visit, entered)


@router.post("/mfa/forget-browsers", operation_id="forgetBrowsers", responses=refusals(401))
async def forget_browsers(stepping: TheStepUp, caller: SignedInCaller) -> Done:
    """Ask every browser of the caller for the second factor again."""
    await stepping.forget_browsers(caller)
    return Done(detail="Every browser is asked for a second factor again.")


# --- Inside a session


@router.post("/step-up", operation_id="stepUp", responses=refusals(401, 429, body=True))
async def step_up(
    body: PasswordAgain, stepping: TheStepUp, handover: TheHandover, caller: SignedInCaller, visit: TheVisit
) -> SignedInAnswer | OnTheWay:
    """Prove in this session who one is, by the password; answers as `/login`, and starts no other session."""
    return answered(handover, visit, await stepping.by_password(caller, body.password))


@router.post("/step-up/passkey/begin", operation_id="beginPasskeyStepUp", responses=refusals(401))
async def begin_passkey_step_up(stepping: TheStepUp, caller: SignedInCaller) -> PasskeyOptions:
    """Return what a browser needs to show one of the caller's passkeys."""
    return PasskeyOptions(publicKey=await stepping.passkey_options(caller))


@router.post("/step-up/passkey/finish", operation_id="stepUpWithPasskey", responses=refusals(401, 429, body=True))
async def finish_passkey_step_up(
    body: PasskeyShown, stepping: TheStepUp, handover: TheHandover, caller: SignedInCaller, visit: TheVisit
) -> SignedInAnswer:
    """Prove in this session who one is, by a passkey alone."""
    return hand_over(handover, visit, await stepping.by_passkey(caller, body.credential.read()))


@router.post(
    "/logout", operation_id="logout", responses=refusals(403), openapi_extra={"security": SECURITY["looked at"]}
)  # fmt: skip
async def logout(
    sessions: Annotated[Sessions, service(Sessions)], handover: TheHandover, caller: AnyCaller, visit: TheVisit,
    edge: TheEdge,
) -> Done:  # fmt: skip
    """End the session and clear its cookies; nothing is wrong if it is over already."""
    await sessions.sign_out(caller, await edge.guard.session_to_end(visit))
    handover.take(visit)
    visit.answers.append((b"clear-site-data", b'"cache", "storage"'))
    return Done(detail="You are signed out.")
