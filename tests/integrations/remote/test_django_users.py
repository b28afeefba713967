"""Accounts of an Ostiary as rows of a project's own user model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.client.issuer import Clocks, Issuer
from tests.integrations.remote.conftest import bearer, cookie, token_of
from tests.integrations.remote.guests import Asgi, Guest, django_trusts, guest_of
from tests.integrations.remote.test_channels import ROUTES, met
from tests.integrations.remote.test_every_framework import is_problem

from django.contrib.auth import authenticate  # isort: skip - the project of the tests comes first
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIHandler
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from tests.integrations.remote.people.models import Member

from ostiary.client.identity import Identity
from ostiary.integrations.django.asgi import OstiaryMiddlewareStack
from ostiary.integrations.django.backends import OstiaryBackend
from ostiary.integrations.django.mapping import Row


@pytest.fixture(scope="module")
def tables() -> Iterator[None]:
    call_command("migrate", run_syncdb=True, verbosity=0)
    yield
    connection.close()


@pytest.fixture
def nobody(tables: None) -> None:
    Member.objects.all().delete()


@pytest.fixture(params=["django", "django under asgi", "rest framework", "rest framework alone"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_somebody_who_comes_for_the_first_time_gets_a_row(
    nobody: None, kind: str, issuer: Issuer, clocks: Clocks
) -> None:
    with django_trusts(issuer, clocks, USER_FIELD="ostiary_id", CREATE_USERS=True):
        site = guest_of(kind, issuer, clocks)
        for _ in range(2):
            assert site.ask("GET", "/who", bearer()).status == 200

    row = Member.objects.get()
    assert (row.ostiary_id, row.username, row.email) == ("acc_7", "acc_7", "mira@example.test")
    assert not row.has_usable_password()
    assert not row.is_staff


def test_without_a_row_or_with_an_inactive_one_nobody_comes_in(
    nobody: None, kind: str, issuer: Issuer, clocks: Clocks
) -> None:
    with django_trusts(issuer, clocks, USER_FIELD="ostiary_id"):
        site = guest_of(kind, issuer, clocks)
        is_problem(site.ask("GET", "/who", bearer()), 403, "not-permitted")
        assert not Member.objects.exists()

        row = Member.objects.create(username="mira", ostiary_id="acc_7")
        assert site.ask("GET", "/who", bearer()).status == 200
        row.is_active = False
        row.save()
        is_problem(site.ask("GET", "/who", bearer()), 403, "not-permitted")
        is_problem(site.ask("GET", "/who"), 401, "not-signed-in")


@pytest.fixture
def site(nobody: None, issuer: Issuer, clocks: Clocks) -> Iterator[Guest]:
    with django_trusts(issuer, clocks, USER_FIELD="ostiary_id", CREATE_USERS=True):
        yield guest_of("django", issuer, clocks)


def test_the_row_is_the_user_in_views_of_both_kinds(site: Guest) -> None:
    Member.objects.create(username="mira", ostiary_id="acc_7", email="work@example.test")

    told = site.ask("GET", "/user", bearer()).json
    assert (told["name"], told["kind"], told["email"]) == ("mira", "SimpleLazyObject", "work@example.test")
    assert site.ask("GET", "/members", cookie()).status == 200
    assert Asgi(ASGIHandler(), "/async").ask("GET", "/user", bearer()).json["kind"] == "Member"


def test_permissions_are_the_accounts_and_staff_are_the_projects_own(site: Guest) -> None:
    row = Member.objects.create(username="mira", ostiary_id="acc_7")

    assert site.ask("GET", "/lenders", cookie()).status == 200
    assert site.ask("GET", "/lenders", cookie(token_of(permissions=()))).status == 302
    found: Any = authenticate(access_token=token_of())
    assert found == row
    assert found.has_perm("books:lend")
    assert not found.has_perm("books:lend", row)
    assert found.has_module_perms("books")
    assert not found.has_perm("people.add_member")
    assert not Member.objects.get().has_perm("books:lend")  # of a row without its token nothing is known


def test_a_user_is_read_only_when_somebody_asks(site: Guest) -> None:
    site.ask("GET", "/public", bearer())

    assert not Member.objects.exists()


def test_two_first_requests_at_once_make_one_row(site: Guest) -> None:
    def come(_: int) -> int:
        try:
            return site.ask("GET", "/who", bearer()).status
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(come, range(6))) == [200] * 6
    assert Member.objects.count() == 1


def test_an_account_does_not_become_somebody_elses_row_by_its_name_or_address(site: Guest) -> None:
    """R31: never by address alone; and a public name may change hands."""
    local = Member.objects.create(username="mira", email="mira@example.test")
    site.ask("GET", "/user", bearer())

    assert Member.objects.exclude(pk=local.pk).get().ostiary_id == "acc_7"
    local.refresh_from_db()
    assert local.ostiary_id is None


def test_a_row_that_cannot_be_made_is_nobody_and_no_fault(site: Guest) -> None:
    Member.objects.create(username="acc_7")  # somebody else has taken the name that a new row would have

    is_problem(site.ask("GET", "/who", bearer()), 403, "not-permitted")
    assert Member.objects.count() == 1


def test_an_address_that_is_not_proven_is_not_kept(site: Guest) -> None:
    site.ask("GET", "/user", bearer(email_verified=False))

    assert Member.objects.get().email == ""


async def test_a_socket_is_refused_without_a_row_or_with_an_inactive_one(site: Guest) -> None:
    stack = OstiaryMiddlewareStack(ROUTES)
    assert await met(stack, "desk", bearer()) == '{"who": "mira", "user": "acc_7"}'

    await Member.objects.aupdate(is_active=False)
    assert await met(stack, "desk", bearer()) == 4003
    assert await met(stack, "chat", bearer()) == '{"who": null, "user": "AnonymousUser"}'


class Choosy(OstiaryBackend):
    """A project's own: it keeps the public name too, and lets nobody in who is called otto."""

    def new_row(self, identity: Identity) -> dict[str, Any]:
        return super().new_row(identity) | {"first_name": identity.username}

    def user_can_authenticate(self, user: Any) -> bool:  # noqa: ANN401 - as the backend has it
        return super().user_can_authenticate(user) and user.first_name != "otto"


async def test_a_project_may_have_a_backend_of_its_own(site: Guest) -> None:
    mira = Identity(id="acc_1", username="mira", session_id="s")
    otto = Identity(id="acc_2", username="otto", session_id="s")
    with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.Choosy"]):
        assert (await Row(None, mira).afind()).first_name == "mira"
        assert isinstance(await asyncio.to_thread(_found, otto), AnonymousUser)


def _found(identity: Identity) -> object:
    try:
        return Row(None, identity).find()
    finally:
        connection.close()
