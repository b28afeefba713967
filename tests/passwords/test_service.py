"""Passwords in a whole house: foreign hashes opened and upgraded, changes that end what was before."""

from __future__ import annotations

import base64
import hashlib

import argon2.low_level
import bcrypt
import httpx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlalchemy import bindparam, update
from tests.house import (
    API,
    NEW_PASSWORD,
    PASSWORD,
    OpenHouse,
    bearer,
    client_of,
    journalled,
    letter_to,
    login,
    register,
    token_in,
)

from ostiary.core.caller import KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.core.hash_formats import firebase
from ostiary.passwords import queries
from ostiary.passwords.models import passwords
from ostiary.wiring import Ostiary

REPLACE = Query(
    update(passwords).where(passwords.c.account_id == bindparam("of_account")).values(hash=bindparam("imported"))
)

# Each opens with `PASSWORD`; made by the libraries named, with small costs.
FOREIGN = {
    "bcrypt": "$2b$04$",
    "django-pbkdf2-sha256": "pbkdf2_sha256$",
    "django-pbkdf2-sha1": "pbkdf2_sha1$",
    "scrypt": "scrypt$",
    "argon2i": "$argon2i$",
    "argon2d": "$argon2d$",
    "firebase": "$firebase-scrypt$",
}


def foreign_hash(kind: str) -> str:
    """Return a hash of `PASSWORD` as another system would have stored it."""
    salt, text = b"sixteen byte slt", PASSWORD.encode()
    plain = base64.b64encode(salt).decode()
    if kind == "bcrypt":
        return bcrypt.hashpw(text, bcrypt.gensalt(4)).decode()
    if kind.startswith("django-pbkdf2"):
        name = kind.rpartition("-")[2]
        derived = hashlib.pbkdf2_hmac(name, text, plain.encode(), 1000)
        return f"pbkdf2_{name}$1000${plain}${base64.b64encode(derived).decode()}"
    if kind == "scrypt":
        derived = hashlib.scrypt(text, salt=plain.encode(), n=1024, r=8, p=1, dklen=64)
        return f"scrypt$1024${plain}$8$1${base64.b64encode(derived).decode()}"
    if kind in ("argon2i", "argon2d"):
        variant = {"argon2i": argon2.low_level.Type.I, "argon2d": argon2.low_level.Type.D}[kind]
        return argon2.low_level.hash_secret(text, salt, 2, 64, 1, 32, variant).decode()
    return _firebase()


def _firebase() -> str:
    """Return Firebase's form: the signer key enciphered under scrypt of the password (its published algorithm)."""
    salt, separator, signer = b"0123456789", b"\x07", b"s" * 64
    key = hashlib.scrypt(PASSWORD.encode(), salt=salt + separator, n=2**8, r=8, p=1, dklen=32)
    enciphered = Cipher(algorithms.AES(key), modes.CTR(b"\0" * 16)).encryptor().update(signer)
    return firebase.from_export(
        password_hash=base64.b64encode(enciphered).decode(), salt=base64.b64encode(salt).decode(),
        signer_key=base64.b64encode(signer).decode(), salt_separator=base64.b64encode(separator).decode(), rounds=8,
        mem_cost=8,
    )  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_foreign_hash_opens_and_is_upgraded_at_the_next_sign_in(
    house: Ostiary, outside: httpx.AsyncClient, kind: str
) -> None:
    account_id = (await register(outside))["user"]["id"]
    imported = foreign_hash(kind)
    assert imported.startswith(FOREIGN[kind])
    await house.database.run(REPLACE, of_account=account_id, imported=imported)

    await login(outside)

    stored = await house.database.find(queries.FIND, account_id=account_id)
    assert stored is not None
    assert stored.hash.startswith("$argon2id$")
    await login(outside)


async def test_a_wrong_password_does_not_upgrade_a_foreign_hash(house: Ostiary, outside: httpx.AsyncClient) -> None:
    account_id = (await register(outside))["user"]["id"]
    imported = foreign_hash("bcrypt")
    await house.database.run(REPLACE, of_account=account_id, imported=imported)

    refused = await outside.post(f"{API}/login", json={"login": "mira", "password": "wrong horse battery"})

    assert refused.status_code == 401
    stored = await house.database.find(queries.FIND, account_id=account_id)
    assert stored is not None
    assert stored.hash == imported


async def test_a_pepper_comes_with_the_next_sign_in_and_is_rotated_likewise(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    plain: Ostiary = await open_house(work=False)
    async with client_of(plain) as client:
        account_id = (await register(client))["user"]["id"]
    peppered: Ostiary = await open_house(work=False, keys={"pepper": True})

    async def stored_after_login(house: Ostiary) -> str:
        async with client_of(house) as client:
            await login(client)
        stored = await house.database.find(queries.FIND, account_id=account_id)
        assert stored is not None
        return stored.hash

    first = await stored_after_login(peppered)
    assert first.startswith("$pepper$")
    await peppered.keys.rotate(KEEPER, ("pepper",))
    clock.advance(hours=1)
    second = await stored_after_login(peppered)
    assert second.startswith("$pepper$")
    assert second.split("$")[2] != first.split("$")[2]


async def test_a_password_change_ends_the_others_keeps_this_one_and_tells_the_owner(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await register(outside)
    await house.registration.confirm(_caller(), token_in(await letter_to(house, "mira@example.org")))
    here, there = await login(outside), await login(outside)

    answer = await outside.post(
        f"{API}/password/change",
        headers=bearer(here),
        json={"current_password": PASSWORD, "new_password": NEW_PASSWORD},
    )

    assert answer.status_code == 200, answer.text
    assert (await outside.get(f"{API}/me", headers=bearer(here))).status_code == 200
    assert (await outside.get(f"{API}/me", headers=bearer(there))).status_code == 401
    refused = await outside.post(f"{API}/refresh", json={"refresh_token": there["refresh_token"]})
    assert refused.status_code == 401
    await letter_to(house, "mira@example.org", "password")
    assert "password.changed" in await journalled(house)
    old = await outside.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})
    assert old.status_code == 401
    await login(outside, password=NEW_PASSWORD)


async def test_a_wrong_current_password_changes_nothing_and_guessing_it_is_limited(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    here = await register(outside)
    statuses = [
        (
            await outside.post(
                f"{API}/password/change",
                headers=bearer(here),
                json={"current_password": "wrong horse battery", "new_password": NEW_PASSWORD},
            )
        ).status_code
        for _ in range(6)
    ]

    assert statuses == [401] * 5 + [429]
    await login(outside)
    assert (await journalled(house)).count("password.recheck_failed") == 5


async def test_a_weak_new_password_is_refused_with_reasons_beside_its_field(outside: httpx.AsyncClient) -> None:
    here = await register(outside)

    answer = await outside.post(
        f"{API}/password/change",
        headers=bearer(here),
        json={"current_password": PASSWORD, "new_password": "password1234"},
    )

    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"new_password"}
    await login(outside)


def _caller() -> Caller:
    return Caller(request_id="test")
