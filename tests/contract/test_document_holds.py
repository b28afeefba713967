"""The OpenAPI document is true: whatever is sent, the answer is one that it describes (Schemathesis)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.contract.doors import Operation, document, operations
from tests.house import ORIGIN, OpenHouse, bearer, client_of, register

from ostiary.core.caller import KEEPER
from ostiary.web.rights import HOUSE_PERMISSIONS
from ostiary.wiring import Ostiary

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 15  # of well-formed and of ill-formed requests each; a longer search is a matter of this number
GENEROUS = {
    "login_failures_per_minute": 10**6, "login_failures_per_hour": 10**6, "lockout_failures": 100,
    "signups_per_hour": 10**6, "rechecks": 10**6, "weighings_per_minute": 10**6, "letters_per_hour": 10**6,
}  # fmt: skip


@pytest.fixture
async def patient(open_house: OpenHouse) -> Ostiary:
    """A house whose limits are out of the way, so that requests reach what lies behind them."""
    opened: Ostiary = await open_house(work=False, protection=GENEROUS)
    return opened


def as_request(case: Any, headers: dict[str, str]) -> httpx.Request:  # noqa: ANN401 - a schemathesis.Case
    """Return a generated case as a request, its body byte for byte."""
    sent = case.as_transport_kwargs(base_url=ORIGIN)
    content = sent.get("data")
    if "json" in sent:
        content = json.dumps(sent["json"]).encode()
    assert content is None or isinstance(content, bytes)
    plain = {name.lower(): str(value) for name, value in sent["headers"].items()}  # one of each, whoever names it
    return httpx.Request(sent["method"], sent["url"], params=sent["params"], headers=plain | headers, content=content)


def search(operation: Operation, client: httpx.AsyncClient, headers: dict[str, str], loop: Any) -> int:  # noqa: ANN401
    """Send what the generator thinks of, and check each answer; runs in a thread, as the generator is synchronous."""
    found = schemathesis.openapi.from_dict(document())[operation.path][operation.method]
    sent = 0
    takes_anything = operation.has_body or "{" in operation.path
    for mode in GenerationMode if takes_anything else (GenerationMode.POSITIVE,):
        quick = settings(
            max_examples=EXAMPLES, database=None, derandomize=True, deadline=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip

        @quick
        @given(case=found.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:  # noqa: ANN401 - a schemathesis.Case
            nonlocal sent
            request = as_request(case, headers)
            answer = asyncio.run_coroutine_threadsafe(client.send(request), loop).result(30)
            client.cookies.clear()
            case.validate_response(answer, checks=CHECKS)
            sent += 1

        check()
    return sent


KEEPING = [operation for operation in operations() if operation.path.startswith("/api/v1/admin/")]
CASES = [
    (operation, storage)
    for operation in operations()
    # What a keeper's route answers does not hang on the database: each has tests of its own on both.
    for storage in (("sqlite",) if operation in KEEPING else ("sqlite", "postgresql"))
]


@pytest.mark.parametrize(
    ("operation", "storage"), CASES, indirect=["storage"], ids=[f"{storage}-{one}" for one, storage in CASES]
)
@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "a stranger"])
async def test_every_answer_is_one_that_the_document_describes(
    patient: Ostiary, operation: Operation, *, signed_in: bool
) -> None:
    async with client_of(patient) as client:
        headers = {}
        if signed_in:
            held = await register(client)
            headers = bearer(held)
            async with patient.database.unit(KEEPER) as unit:
                for permission in HOUSE_PERMISSIONS if operation in KEEPING else ():
                    await patient.accounts.permit(unit, held["user"]["id"], permission)
        sent = await asyncio.to_thread(search, operation, client, headers, asyncio.get_running_loop())
    assert sent >= EXAMPLES or not operation.has_body, f"only {sent} requests were thought of"
