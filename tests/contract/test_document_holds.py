"""The OpenAPI document is true: whatever is sent, the answer is one that it describes (Schemathesis)."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
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


@cache
def described() -> Any:  # noqa: ANN401 - a schemathesis.BaseSchema
    """The document, as the generator reads it."""
    return schemathesis.openapi.from_dict(document())


@cache
def thought_of(path: str, method: str, mode: GenerationMode) -> list[Any]:
    """Return what the generator thinks of for one operation, which is the same each time: every caller sends it all."""
    cases: list[Any] = []

    @settings(
        max_examples=EXAMPLES, database=None, derandomize=True, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=described()[path][method].as_strategy(generation_mode=mode))
    def think(case: Any) -> None:  # noqa: ANN401 - a schemathesis.Case
        cases.append(case)

    think()
    return cases


async def search(operation: Operation, client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    """Send what the generator thinks of, and check each answer; return how many were sent."""
    takes_anything = operation.has_body or "{" in operation.path
    modes = list(GenerationMode) if takes_anything else [GenerationMode.POSITIVE]
    cases = [case for mode in modes for case in thought_of(operation.path, operation.method, mode)]
    for case in cases:
        answer = await client.send(as_request(case, headers))
        client.cookies.clear()
        case.validate_response(answer, checks=CHECKS)
    return len(cases)


KEEPING = [operation for operation in operations() if operation.path.startswith("/api/v1/admin/")]
CASES = [
    (operation, storage)
    for operation in operations()
    # What a keeper's route answers does not hang on the database: each has tests of its own on both.
    for storage in (("sqlite",) if operation in KEEPING else ("sqlite", "postgresql"))
]


@pytest.mark.parametrize(
    ("operation", "storage"),
    # All that send the same are sent from one process, which thinks of it once.
    [
        pytest.param(one, storage, id=f"{storage}-{one}", marks=pytest.mark.xdist_group(f"document {one}"))
        for one, storage in CASES
    ],
    indirect=["storage"],
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
        sent = await search(operation, client, headers)
    assert sent >= EXAMPLES or not operation.has_body, f"only {sent} requests were thought of"
