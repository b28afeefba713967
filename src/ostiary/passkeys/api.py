"""Passkeys as JSON: added, listed, renamed, removed; and how a sign-in with one begins. The front desk ends it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

from ostiary.passkeys.answers import NewCredentialBody, PasskeyAnswer, PasskeyList, PasskeyOptions
from ostiary.passkeys.challenges import LIFETIME
from ostiary.passkeys.service import Passkeys
from ostiary.web.answers import Done, refusals
from ostiary.web.doors import (
    SignedInCaller,
    Strict,
    StrongCaller,
    TheEdge,
    TheVisit,
    api_router,
    service,
)

router = api_router("passkeys")

ThePasskeys = Annotated[Passkeys, service(Passkeys)]
PasskeyIdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]
Name = Annotated[str, Field(max_length=300)]


class NewPasskey(Strict):
    """What the browser made, and the owner's word for it."""

    credential: NewCredentialBody
    name: Name = ""


class NewName(Strict):
    """The owner's word for a passkey."""

    name: Name


@router.post("/passkeys/register/begin", operation_id="beginPasskey", responses=refusals(401, 403, 409))
async def begin_registration(passkeys: ThePasskeys, caller: StrongCaller) -> PasskeyOptions:
    """Return what a browser needs to make a passkey; needs a fresh, strong proof and a proven address."""
    return PasskeyOptions(publicKey=await passkeys.begin_registration(caller))


@router.post(
    "/passkeys/register/finish", status_code=201, operation_id="addPasskey",
    responses=refusals(401, 403, 409, 422, body=True),
)  # fmt: skip
async def finish_registration(body: NewPasskey, passkeys: ThePasskeys, caller: StrongCaller) -> PasskeyAnswer:
    """Store the passkey that the browser has made, and tell the owner by letter."""
    return PasskeyAnswer.of(await passkeys.finish_registration(caller, body.credential.read(), body.name))


@router.post("/passkeys/sign-in/begin", operation_id="beginPasskeySignIn", responses=refusals())
async def begin_sign_in(passkeys: ThePasskeys, visit: TheVisit, edge: TheEdge) -> PasskeyOptions:
    """Return what a browser needs to sign somebody in, and set the cookie that its answer has to come with."""
    held = edge.cookies.read(visit, "passkey")
    if passkeys.challenges.browser_in(held) is None:
        held = passkeys.challenges.new_browser()
    # Kept for other tabs, and longer with each challenge.
    visit.answers.append(edge.cookies.write("passkey", held or "", int(LIFETIME.total_seconds())))
    return PasskeyOptions(publicKey=passkeys.begin_sign_in(passkeys.challenges.browser_in(held) or ""))


@router.get("/passkeys", operation_id="listPasskeys", responses=refusals(401))
async def list_passkeys(passkeys: ThePasskeys, caller: SignedInCaller) -> PasskeyList:
    """List the caller's passkeys."""
    found = await passkeys.listed(caller.account_id or "")
    return PasskeyList(passkeys=[PasskeyAnswer.of(passkey) for passkey in found])


@router.patch("/passkeys/{passkey_id}", operation_id="renamePasskey", responses=refusals(401, 404, 422, body=True))
async def rename_passkey(
    passkey_id: PasskeyIdPath, body: NewName, passkeys: ThePasskeys, caller: SignedInCaller
) -> PasskeyAnswer:
    """Call one of the caller's passkeys something else."""
    return PasskeyAnswer.of(await passkeys.rename(caller, passkey_id, body.name))


@router.delete("/passkeys/{passkey_id}", operation_id="removePasskey", responses=refusals(401, 404, 409, 422))
async def remove_passkey(passkey_id: PasskeyIdPath, passkeys: ThePasskeys, caller: StrongCaller) -> Done:
    """Remove one of the caller's passkeys; needs a fresh, strong proof."""
    await passkeys.remove(caller, passkey_id)
    return Done(detail="The passkey is removed.")
