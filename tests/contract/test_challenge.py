"""The member `challenge` of a refusal, and the field `challenge` of a login (R12)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.doors import document
from tests.house import API, OpenHouse, client_of
from tests.protection.attempts import attempt, solved

from ostiary.wiring import Ostiary

HEX = {"keyPrefix": 32, "keySignature": 64, "nonce": 32, "salt": 32}


@pytest.fixture
async def refused(open_house: OpenHouse) -> tuple[Ostiary, dict[str, Any]]:
    """A house, and the refusal of a name that strangers have locked."""
    house = await open_house(work=False, protection={"challenge": {"difficulty": 5}})
    for number in range(7):
        async with client_of(house, f"198.51.100.{number}") as client:
            last = await attempt(client, "mira")
    return house, last.json()


async def test_a_refusal_carries_what_altcha_clients_read(refused: tuple[Ostiary, dict[str, Any]]) -> None:
    house, problem = refused
    challenge = problem["challenge"]

    assert problem.keys() == {"type", "title", "status", "retry_after", "request_id", "challenge"}
    assert challenge.keys() == {"parameters", "signature"}
    asked = challenge["parameters"]
    assert {"algorithm": "PBKDF2/SHA-256", "cost": 500, "keyLength": 32}.items() <= asked.items()
    assert asked["expiresAt"] == house.clock.now() // 1000 + 300
    assert asked["data"].keys() == {"key", "tries"}
    assert asked["data"]["tries"] == 10
    assert asked.keys() == {"algorithm", "cost", "keyLength", "expiresAt", "data", *HEX}
    for name, length in HEX.items():
        assert len(bytes.fromhex(asked[name])) * 2 == length
    assert len(bytes.fromhex(challenge["signature"])) == 32


@pytest.mark.parametrize("name", ["login", "username"])
async def test_the_same_login_is_repeated_with_the_solution(refused: tuple[Ostiary, dict[str, Any]], name: str) -> None:
    house, problem = refused
    body = {name: "mira", "password": "wrong", "challenge": solved(problem["challenge"])}
    async with client_of(house) as client:
        assert (await client.post(f"{API}/login", json=body)).status_code == 401, "looked at, and wrong"
        assert (await client.post(f"{API}/login", json=body)).status_code == 423, "used"


@pytest.mark.parametrize(
    ("challenge", "status"), [(None, 423), ("", 423), ("x" * 2048, 423), ("x" * 2049, 422), (7, 422)]
)
async def test_what_the_field_may_be(refused: tuple[Ostiary, dict[str, Any]], challenge: object, status: int) -> None:
    house, _ = refused
    async with client_of(house) as client:
        body = {"login": "mira", "password": "wrong", "challenge": challenge}
        assert (await client.post(f"{API}/login", json=body)).status_code == status


def test_the_field_is_documented() -> None:
    field = document()["components"]["schemas"]["Credentials"]["properties"]["challenge"]
    assert field["anyOf"] == [{"maxLength": 2048, "type": "string"}, {"type": "null"}]
    assert "solution" in field["description"]
