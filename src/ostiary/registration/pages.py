"""Registration, the proving of addresses, and one's own account, as pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response
from msgspec import UNSET

from ostiary.accounts import Account, Accounts, ProfileChange, TokenSpent, clean_display_text
from ostiary.core.errors import Problem
from ostiary.mail import Letters
from ostiary.registration.service import Application, Registration
from ostiary.sessions import CookieHandover
from ostiary.web.doors import (
    PAGE_PREFIX,
    AnyCaller,
    PageCaller,
    StrongPageCaller,
    TheEdge,
    TheVisit,
    page,
    page_router,
    see_other,
    service,
)
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form

router = page_router()

FLASHES = {
    "profile-saved": "Your profile is saved.",
    "letter-sent": "If an address is waiting to be confirmed, the letter is on its way.",
    "address-claimed": "We have written to the new address. Follow the link in the letter to confirm it.",
    "password-changed": "Your password is changed. Other devices are signed out.",
}
"""What a page may say on arrival, by a word in its address: no link can put other words there."""


AS_ASKED = "as-asked"
"""In the choice of a language: none is stored. What is missing from a form changes nothing."""


@router.get("/register")
async def register_page(request: Request) -> Response:
    """Show the form."""
    return page(request, "register.html", form=Form())


@router.post("/register")
async def register(
    request: Request,
    registration: Annotated[Registration, service(Registration)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
) -> Response:
    """Open a provisional account and sign its maker in."""
    filled = await fields(request, "username", "email", "password", "full_name")
    try:
        grant = await registration.register(caller, Application(**filled))
    except Problem as problem:
        return page(request, "register.html", refusal=problem, form=refused(problem, filled))
    handover.give(visit, grant)
    return see_other(f"{PAGE_PREFIX}/check-mail")


@router.get("/check-mail")
async def check_mail(
    request: Request, accounts: Annotated[Accounts, service(Accounts)], caller: PageCaller
) -> Response:
    """Say that a letter is on its way."""
    account = await _own(accounts, caller.account_id)
    return page(request, "check_mail.html", account=account, email=account.email)


@router.get("/confirm")
async def confirm_page(
    request: Request, registration: Annotated[Registration, service(Registration)], caller: AnyCaller
) -> Response:
    """Ask before the link is used: mail scanners follow links, people press buttons."""
    token = request.query_params.get("token", "")[:128]
    found = await registration.look(caller, token)
    claim = {"username": found[0].username, "email": found[1].email} if found else None
    return page(request, "confirm.html", token=token, claim=claim, status=200 if claim else 404)


@router.post("/confirm")
async def confirm(
    request: Request,
    registration: Annotated[Registration, service(Registration)],
    caller: AnyCaller,
    visit: TheVisit,
    edge: TheEdge,
) -> Response:
    """Use the link."""
    filled = await fields(request, "token")
    try:
        account = await registration.confirm(caller, filled["token"])
    except TokenSpent:
        return page(request, "confirm.html", token="", claim=None, status=404)
    is_inside = edge.guard.named_session(visit) is not None
    return page(request, "confirmed.html", account=account if is_inside else None)


@router.get("/account")
async def account_page(
    request: Request,
    accounts: Annotated[Accounts, service(Accounts)],
    letters: Annotated[Letters, service(Letters)],
    caller: PageCaller,
) -> Response:
    """Show the account."""
    return _account(request, await _own(accounts, caller.account_id), letters, Form())


@router.post("/account")
async def save_profile(
    request: Request,
    accounts: Annotated[Accounts, service(Accounts)],
    letters: Annotated[Letters, service(Letters)],
    caller: PageCaller,
) -> Response:
    """Save the profile."""
    filled = await fields(request, "full_name", "language")
    language = {"": UNSET, AS_ASKED: None}.get(filled["language"], filled["language"])
    try:
        change = ProfileChange(clean_display_text(filled["full_name"]), language)
        await accounts.change_profile(caller, caller.account_id or "", change)
    except Problem as problem:
        return _account(request, await _own(accounts, caller.account_id), letters, refused(problem, filled), problem)
    return see_other(f"{PAGE_PREFIX}/account?said=profile-saved")


@router.post("/account/email")
async def change_address(
    request: Request,
    accounts: Annotated[Accounts, service(Accounts)],
    registration: Annotated[Registration, service(Registration)],
    letters: Annotated[Letters, service(Letters)],
    caller: StrongPageCaller,
) -> Response:
    """Begin to change the address."""
    filled = await fields(request, "email", "current_password")
    try:
        await registration.claim_new_address(caller, filled["email"], filled["current_password"])
    except Problem as problem:
        return _account(request, await _own(accounts, caller.account_id), letters, refused(problem, filled), problem)
    return see_other(f"{PAGE_PREFIX}/account?said=address-claimed")


@router.post("/account/resend")
async def resend(registration: Annotated[Registration, service(Registration)], caller: PageCaller) -> Response:
    """Send the confirmation letter again."""
    await registration.resend(caller)
    return see_other(f"{PAGE_PREFIX}/account?said=letter-sent")


async def _own(accounts: Accounts, account_id: str | None) -> Account:
    account = await accounts.remembered(account_id or "")
    assert account is not None
    return account


def _account(
    request: Request, account: Account, letters: Letters, form: Form, refusal: Problem | None = None
) -> Response:
    flash = FLASHES.get(request.query_params.get("said", ""))
    languages = [(AS_ASKED, "As my browser asks", None), *((tag, name, tag) for tag, name in letters.choices())]
    return page(
        request, "account.html", refusal=refusal, account=account, form=form, flash=flash, languages=languages,
        language=letters.languages.find(account.language) or AS_ASKED,
    )  # fmt: skip
