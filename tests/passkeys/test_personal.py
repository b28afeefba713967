"""Passkeys in what a person gets of their own data (R8)."""

from __future__ import annotations

import httpx
from tests.house import API
from tests.passkeys.steps import add, owner, stronger

from ostiary.testing.authenticator import Authenticator
from ostiary.wiring import Ostiary


async def test_an_export_names_passkeys_and_holds_nothing_that_proves_anything(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    bearing = await owner(house, outside)
    authenticator = Authenticator()
    await add(outside, bearing, authenticator)
    bearing = await stronger(outside, bearing, authenticator)

    answer = await outside.post(f"{API}/account/export", headers=bearing)

    assert answer.status_code == 200, answer.text
    (passkey,) = answer.json()["passkeys"]
    assert passkey.keys() == {
        "id", "sign_count", "aaguid", "attestation", "transports", "backup_eligible", "backed_up", "user_verified",
        "name", "created_at", "last_used_at",
    }  # fmt: skip
    assert passkey["last_used_at"] is not None
