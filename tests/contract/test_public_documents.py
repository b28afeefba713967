"""JWKS, health, the OpenAPI document and the well-known places (spec section 2)."""

from __future__ import annotations

import httpx
import pytest
from tests.contract.doors import document, operations, resolved
from tests.contract.test_register_and_login import assert_problem

from ostiary.wiring import Ostiary

PROBLEM = {"$ref": "#/components/schemas/ProblemAnswer"}
OTHER_TYPES = {
    "/api/v1/auth/revocations": "text/event-stream",
    "/api/v1/auth/status-lists/{which}": "application/statuslist+jwt",
}


async def test_the_keys_are_public_and_may_be_kept_for_a_while(outside: httpx.AsyncClient) -> None:
    answer = await outside.get("/.well-known/jwks.json")

    assert answer.status_code == 200
    assert answer.json().keys() == {"keys"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "set-cookie" not in answer.headers


async def test_health_and_readiness_say_so_in_a_word(outside: httpx.AsyncClient) -> None:
    alive, ready = await outside.get("/healthz"), await outside.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    assert alive.headers["cache-control"] == ready.headers["cache-control"] == "no-store"


async def test_a_house_that_is_closed_is_alive_but_not_ready(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await house.close()

    assert (await outside.get("/healthz")).status_code == 200
    assert_problem(await outside.get("/readyz"), 503, "unavailable")


async def test_password_managers_find_where_a_password_is_changed(outside: httpx.AsyncClient) -> None:
    answer = await outside.get("/.well-known/change-password")

    assert answer.status_code in (302, 303, 307)  # W3C, section 3: a redirect of these
    assert answer.headers["location"] == "/auth/password"


async def test_what_is_well_known_elsewhere_is_not_found_here(outside: httpx.AsyncClient) -> None:
    # W3C change-password, section 4: managers ask this path to see that 404 means 404 on this host.
    path = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"
    assert_problem(await outside.get(path), 404, "not-found")


async def test_the_document_is_served_where_the_contract_says(outside: httpx.AsyncClient) -> None:
    answer = await outside.get("/api/v1/openapi.json")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == document()
    assert document()["openapi"].startswith("3.1")


def test_every_operation_has_an_id_a_summary_and_refusals_as_problems() -> None:
    ids = [operation.document["operationId"] for operation in operations()]
    assert len(ids) == len(set(ids))
    for operation in operations():
        assert operation.document["summary"]
        assert {"405", "413", "431", "503"} <= operation.statuses
        if operation.has_body:
            assert {"400", "403", "415", "422"} <= operation.statuses
        for status, answer in operation.document["responses"].items():
            if status == "303":
                assert "content" not in answer  # a browser is sent elsewhere
                continue
            ((media_type, content),) = answer["content"].items()
            if status >= "400":
                assert (media_type, content["schema"]) == ("application/problem+json", PROBLEM), f"{operation} {status}"
            else:
                assert media_type == OTHER_TYPES.get(operation.path, "application/json")


def test_every_body_is_described_and_takes_no_unknown_field() -> None:
    for operation in operations():
        if operation.has_body:
            ((media_type, content),) = operation.document["requestBody"]["content"].items()
            assert media_type == "application/json"
            schema = resolved(content["schema"])
            assert schema["additionalProperties"] is False, operation
            for field in schema["properties"].values():
                texts = [kind for kind in (field, *field.get("anyOf", ())) if kind.get("type") == "string"]
                assert all("maxLength" in text for text in texts), f"{operation}: a text without an end"


@pytest.mark.parametrize(
    "path",
    [
        "/register", "/login", "/refresh", "/logout", "/me", "/password/change", "/email/verify", "/email/change",
        "/csrf", "/sessions", "/sessions/{session_id}", "/sessions/revoke-others",
    ],
)  # fmt: skip
def test_each_path_of_the_contract_is_described(path: str) -> None:
    assert f"/api/v1/auth{path}" in document()["paths"]
