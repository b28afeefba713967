"""The generated part of the typed client says what the OpenAPI document says today."""

from __future__ import annotations

from typing import Any

import pytest
from scripts import client_plan, generate_client


def test_the_committed_client_is_what_the_document_makes_of_it() -> None:
    wanted = {name: generate_client.meaning(text) for name, text in generate_client.sources().items()}
    there = {
        path.relative_to(generate_client.CLIENT).as_posix(): generate_client.meaning(path.read_text(encoding="utf-8"))
        for folder in ("shapes", "verbs")
        for path in (generate_client.CLIENT / folder).glob("*.py")
    }
    assert there == wanted, "run: .venv/bin/python -m scripts.generate_client"


def test_a_new_route_gets_a_place_and_a_name_by_itself() -> None:
    keeper = "/api/v1/admin/roles"
    assert client_plan.name_of("listRoles", keeper) == ("admin.roles", "list")
    assert client_plan.name_of("listGuests", f"{keeper}/{{role}}/guests") == ("admin.roles", "list_guests")
    assert client_plan.name_of("grantRole", "/api/v1/admin/accounts/{account_id}/roles") == (
        "admin.accounts",
        "grant_role",
    )
    assert client_plan.name_of("removePasskey", "/api/v1/auth/passkeys/{passkey_id}") == ("passkeys", "remove")


def test_what_cannot_be_typed_stops_the_generator() -> None:
    reader = client_plan.Reader(client_plan.Plan(), {})
    answer: dict[str, Any] = {"200": {"content": {"application/json": {"schema": {}}}}}
    with pytest.raises(client_plan.CannotDescribe, match="shape of its own"):
        reader.operation("GET", "/api/v1/auth/x", {"operationId": "x", "summary": "X.", "responses": answer})
