"""Signing in as JSON outside the framework: what it read and refused for us has to be read and refused here."""

from __future__ import annotations

import traceback
from typing import Any

import httpx
import pytest
from tests.house import API, PASSWORD, bearer, client_of, register

from ostiary.core.errors import InvalidFields
from ostiary.login.lane import _credentials
from ostiary.wiring import Ostiary

SECRET = "this must not be in any log"


@pytest.fixture
def storage() -> str:
    return "sqlite"  # nothing here depends on the database


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"password"}),
        ({"username": "ada"}, {"password"}),
        ({"password": PASSWORD}, {"login"}),
        ({"password": PASSWORD, "username": "ada", "email": "ada@example.org"}, {"login"}),
        ({"password": PASSWORD, "username": "ada", "admin": True}, {"admin"}),
        ({"password": 123456789012, "username": "ada"}, {"password"}),
        ({"password": "x" * 1025, "username": "ada"}, {"password"}),
        ({"password": "", "username": ""}, {"password", "username"}),
        ({"password": [PASSWORD], "username": {"$ne": ""}}, {"password", "username"}),
    ],
)
async def test_a_body_of_another_shape_is_told_which_fields_to_look_at(
    house: Ostiary, outside: httpx.AsyncClient, body: dict[str, Any], fields: set[str]
) -> None:
    answer = await outside.post(f"{API}/login", json=body)

    assert answer.status_code == 422, answer.text
    assert {error["field"] for error in answer.json()["errors"]} == fields
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"ada"'])
async def test_a_body_that_is_no_object_is_refused(outside: httpx.AsyncClient, body: bytes) -> None:
    answer = await outside.post(f"{API}/login", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422, answer.text


def test_a_refused_body_is_not_carried_on_by_its_refusal() -> None:
    """An error raised while another is handled keeps that, and this one would hold the password."""
    with pytest.raises(InvalidFields) as refused:
        _credentials({"password": SECRET, "username": 1})

    assert (refused.value.__context__, refused.value.__cause__) == (None, None)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


async def test_another_method_is_told_which_one_is_taken(outside: httpx.AsyncClient) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = await outside.request(method, f"{API}/login")

        assert (answer.status_code, answer.headers.get("allow")) == (405, "POST"), method


async def test_another_sites_page_signs_nobody_in(house: Ostiary) -> None:
    async with client_of(house) as visitor:
        await register(visitor, "ada")

        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            answer = await sign_in(visitor, headers)
            assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


async def test_a_browser_that_is_signed_in_repeats_the_token_of_its_page(house: Ostiary) -> None:
    async with client_of(house) as visitor:
        await register(visitor, "ada")
        await sign_in(visitor, {})
        cookies, shown = kept(visitor)

        assert (await sign_in(visitor, cookies)).status_code == 403
        assert (await sign_in(visitor, cookies | shown)).status_code == 200


async def test_what_the_browser_was_signed_in_as_ends(house: Ostiary) -> None:
    async with client_of(house) as visitor, client_of(house) as elsewhere:
        await register(visitor, "ada")
        first = await sign_in(visitor, {})
        cookies, shown = kept(visitor)
        assert (await elsewhere.get(f"{API}/me", headers=bearer(first.json()))).status_code == 200

        await sign_in(visitor, cookies | shown)

        assert (await elsewhere.get(f"{API}/me", headers=bearer(first.json()))).status_code == 401


async def sign_in(visitor: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response:
    """Sign in, and keep what cookies come with it."""
    return await visitor.post(f"{API}/login", json={"username": "ada", "password": PASSWORD}, headers=headers)


def kept(visitor: httpx.AsyncClient) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers by which a browser shows its cookies, and its page their token."""
    cookies = {cookie.name: cookie.value or "" for cookie in visitor.cookies.jar}
    token = next(value for name, value in cookies.items() if name.endswith("csrftoken"))
    return {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}, {"x-csrf-token": token}
