"""Providers that the keeper sets up: by settings, by command, by the API; sealed, looked at, removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError
from sqlalchemy import text
from tests.attacks.raw import contents
from tests.contract.browser import Browser
from tests.federation.scripted import CLIENT, SECRET, Scripted
from tests.federation.steps import inside, sign_in
from tests.house import OpenHouse, bearer, client_of, journalled, login
from tests.recovery.steps import settled

from ostiary.cli import ostiary
from ostiary.client import KnownKeys, SigningKey
from ostiary.client.jws import read
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.core.errors import InvalidFields
from ostiary.federation import FederationSettings, ProviderSettings
from ostiary.federation.provider import resolve
from ostiary.settings import load
from ostiary.wiring import Ostiary

ADMIN = "/api/v1/admin/providers"


def told(provider: Scripted, **changed: Any) -> ProviderSettings:  # noqa: ANN401
    known = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "addresses": "verified"}
    return ProviderSettings.model_validate(known | changed)


@pytest.mark.parametrize(
    ("slug", "settings", "words"),
    [
        ("Acme", {"issuer": "https://a.example", "client_id": "a", "client_secret": "b"}, "no name"),
        ("../x", {"issuer": "https://a.example", "client_id": "a", "client_secret": "b"}, "no name"),
        ("acme", {"issuer": "https://a.example", "client_secret": "b"}, "client_id"),
        ("acme", {"issuer": "https://a.example", "client_id": "a"}, "client_secret"),
        ("acme", {"client_id": "a", "client_secret": "b"}, "issuer"),
        ("acme", {"issuer": "a.example", "client_id": "a", "client_secret": "b"}, "issuer"),
        ("acme", {"issuer": "https://u:p@a.example", "client_id": "a", "client_secret": "b"}, "login"),
        ("acme", {"issuer": "https://a.example?x", "client_id": "a", "client_secret": "b"}, "issuer"),
        ("acme", {"issuer": "https://a.example", "client_id": "a", "client_secret": "b", "hosts": ["//x"]}, "hosts"),
        ("acme", {"issuer": "https://a.example", "client_id": "a", "client_secret": "b", "scopes": ["a b"]}, "scope"),
        ("microsoft", {"client_id": "a", "client_secret": "b"}, "tenant"),
        ("apple", {"client_id": "a"}, "team_id"),
        ("acme", {"issuer": "https://a.example", "client_id": "a", "client_secret": "b", "made_up": 1}, "Extra"),
    ],
)
def test_settings_that_cannot_work_do_not_start(slug: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FederationSettings.model_validate({"providers": {slug: settings}})


def test_microsofts_issuer_is_that_of_the_token_s_own_directory() -> None:
    tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
    known = {"client_id": "a", "client_secret": "b"}
    own = resolve("microsoft", ProviderSettings.model_validate(known | {"tenant": tenant}))
    assert own.is_issuer(f"https://login.microsoftonline.com/{tenant}/v2.0")
    assert not own.vouches(verified=True)
    anybodys = resolve("microsoft", ProviderSettings.model_validate(known | {"tenant": "common"}))
    assert anybodys.document == "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"
    assert anybodys.is_issuer(f"https://login.microsoftonline.com/{tenant}/v2.0", tenant)
    for shown, tid in (
        (f"https://login.microsoftonline.com/{tenant}/v2.0", None),
        (f"https://login.microsoftonline.com/{tenant}/v2.0", tenant.replace("7", "8")),
        ("https://login.microsoftonline.com/{tenantid}/v2.0", "{tenantid}"),
        (f"https://login.microsoftonline.com/{tenant}/v1.0", tenant),
    ):
        assert not anybodys.is_issuer(shown, tid)


def test_a_provider_stands_in_the_environment(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        environment={
            "OSTIARY_FEDERATION__PROVIDERS__GITHUB__CLIENT_ID": "Iv1.1",
            "OSTIARY_FEDERATION__PROVIDERS__GITHUB__CLIENT_SECRET": "never shown",
            "OSTIARY_FEDERATION__PROVIDERS__GITHUB__SCOPES": '["repo"]',
        },
    ).federation.providers["github"]
    assert (found.client_id, found.scopes) == ("Iv1.1", ("repo",))
    assert "never shown" not in repr(found)


async def test_what_is_stored_is_sealed_and_every_process_hears_of_it(
    open_house: OpenHouse, provider: Scripted
) -> None:
    outbound = {"allowed_networks": ("127.0.0.0/8",)}
    house, other = await open_house(work=False, outbound=outbound), await open_house(work=False, outbound=outbound)
    async with client_of(other) as client:
        assert "Continue with" not in (await client.get("/auth/sign-in")).text

        await house.providers.keep(KEEPER, "acme", told(provider))

        assert SECRET not in str(await contents(house))
        visitor = Browser(client)
        await sign_in(visitor, provider)
        assert await inside(visitor) == "mira"
        assert "Continue with Acme" in (await client.get("/auth/sign-in")).text

        await house.keys.rotate(KEEPER, ("data",))
        assert await house.providers.reseal(KEEPER) == 1
        await sign_in(Browser(client), provider)
        await house.providers.remove(KEEPER, "acme")
        assert (await visitor.get("/accounts/acme/login/")).status_code == 404
    assert {"provider.added", "provider.removed"} <= set(await journalled(house))


async def test_a_secret_moved_to_another_name_does_not_open_there(open_house: OpenHouse, provider: Scripted) -> None:
    """Whoever writes to the database cannot have one provider's secret shown to another (ASVS 11.3)."""
    house = await open_house(work=False)
    await house.providers.keep(KEEPER, "acme", told(provider))
    await house.providers.keep(KEEPER, "evil", told(provider, client_secret="theirs"))
    await _sql(house, "UPDATE federation_providers SET sealed = (SELECT sealed FROM federation_providers "
                      "WHERE slug = 'acme') WHERE slug = 'evil'")  # fmt: skip
    assert [one.slug for one in await house.providers.every()] == ["acme"]


async def _sql(house: Ostiary, statement: str) -> None:
    await house.database.run(Query(text(statement)))


async def opened(open_house: OpenHouse, known: dict[str, Any]) -> Ostiary:
    """Open a house that knows a provider as `acme`."""
    settings = {"federation": {"providers": {"acme": known}}, "outbound": {"allowed_networks": ("127.0.0.0/8",)}}
    house: Ostiary = await open_house(work=False, **settings)
    return house


class TestTheKeepersApi:
    @pytest.fixture
    async def keeper(self, house: Ostiary, outside: httpx.AsyncClient) -> dict[str, str]:
        """The header of somebody who may set providers up."""
        account_id = (await settled(house, outside))["user"]["id"]
        async with house.database.unit(KEEPER) as unit:
            await house.accounts.permit(unit, account_id, "providers:read")
            await house.accounts.permit(unit, account_id, "providers:write")
        return bearer(await login(outside))

    async def test_sets_up_shows_looks_at_and_removes(
        self, house: Ostiary, outside: httpx.AsyncClient, provider: Scripted, keeper: dict[str, str]
    ) -> None:
        settings = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "label": "Company"}
        answer = await outside.post(ADMIN, json={"provider": "company", "settings": settings}, headers=keeper)
        assert answer.status_code == 200, answer.text
        assert answer.json()["callback"] == "http://localhost:8080/accounts/company/login/callback/"

        listed = await outside.get(ADMIN, headers=keeper)
        assert [one["provider"] for one in listed.json()["providers"]] == ["acme", "company", "github"]
        assert SECRET not in listed.text
        looked = await outside.post(f"{ADMIN}/company/test", headers=keeper)
        assert {one["about"]: one["verdict"] for one in looked.json()["findings"]}["secret"] == "good"
        refused = await outside.delete(f"{ADMIN}/acme", headers=keeper)
        assert refused.json()["type"].endswith("/provider-is-set")
        assert (await outside.delete(f"{ADMIN}/company", headers=keeper)).status_code == 200
        assert (await outside.delete(f"{ADMIN}/company", headers=keeper)).status_code == 404

    async def test_says_what_does_not_fit_without_the_secret(
        self, outside: httpx.AsyncClient, keeper: dict[str, str]
    ) -> None:
        settings = {"issuer": "ftp://a.example", "client_id": "a", "client_secret": "never-repeated"}
        answer = await outside.post(ADMIN, json={"provider": "company", "settings": settings}, headers=keeper)
        assert answer.status_code == 422
        assert "never-repeated" not in answer.text

    async def test_is_for_keepers(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await settled(house, outside)
        anybody = bearer(await login(outside))
        for method, path in (
            ("GET", ADMIN), ("POST", ADMIN), ("DELETE", f"{ADMIN}/acme"), ("POST", f"{ADMIN}/acme/test"),
        ):  # fmt: skip
            body = {"provider": "a", "settings": {}} if (method, path) == ("POST", ADMIN) else None
            answer = await outside.request(method, path, headers=anybody, json=body)
            assert answer.status_code == 403, (method, path)


class TestALook:
    async def verdicts(self, house: Ostiary) -> dict[str, tuple[str, str]]:
        return {one.about: (one.verdict, one.words) for one in await house.federation.examine("acme")}

    async def test_finds_nothing_where_all_is_well(
        self, house: Ostiary, provider: Scripted, clock: ManualClock
    ) -> None:
        callback = house.federation.callback_of("acme")
        provider.lead_back = True
        found = await self.verdicts(house)
        assert {about: verdict for about, (verdict, _) in found.items()} == {
            "document": "good", "clock": "good", "keys": "good", "redirect address": "good", "secret": "good",
        }  # fmt: skip
        assert callback in found["redirect address"][1]

    async def test_names_each_fault_and_what_to_do(
        self, open_house: OpenHouse, provider: Scripted, clock: ManualClock
    ) -> None:
        house = await opened(open_house, told(provider, client_secret="wrong").model_dump())
        provider.ahead = 90
        provider.answers["/jwks"] = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"keys":[]}'
        provider.answers["/authorize"] = b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"
        found = await self.verdicts(house)
        assert found["clock"] == ("bad", "The clocks are 90 seconds apart: run NTP here.")
        assert found["keys"][0] == found["redirect address"][0] == found["secret"][0] == "bad"
        assert "/accounts/acme/login/callback/" in found["redirect address"][1]

        provider.document = {"issuer": f"{provider.issuer}/"}
        assert (await self.verdicts(house)).keys() == {"document"}

    async def test_apple_is_shown_a_statement_that_the_house_has_signed(
        self, open_house: OpenHouse, provider: Scripted
    ) -> None:
        key = SigningKey.generate("ES256", "KEY1")
        pem = key.private.private_bytes(*_pkcs8()).decode()
        provider.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        known = {"issuer": provider.issuer, "client_id": CLIENT, "team_id": "TEAM1", "key_id": "KEY1"}
        house = await opened(open_house, known | {"preset": "apple", "private_key": pem})
        await house.federation.examine("acme")
        shown = provider.shown[-1]
        claims = read(shown, KnownKeys(key.verifying), "JWT")
        assert (claims["iss"], claims["sub"], claims["aud"]) == ("TEAM1", CLIENT, provider.issuer)


def _pkcs8() -> tuple[Any, ...]:
    return Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()


class TestTheCommand:
    def run(self, data: Path, *words: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(ostiary, [*words, "--data", str(data)], input=typed)

    def test_adds_lists_tests_and_removes(self, tmp_path: Path, sqlite_template: Path) -> None:
        data = tmp_path / "data"
        data.mkdir()
        (data / "ostiary.db").write_bytes(sqlite_template.read_bytes())
        added = self.run(
            data, "provider", "add", "company", "--issuer", "https://localhost:1", "--client-id", "a",
            typed="planted-secret\n",
        )  # fmt: skip
        assert added.exit_code == 0, added.output
        assert "http://localhost:8080/accounts/company/login/callback/" in added.output
        listed = self.run(data, "provider", "list").output
        assert "company" in listed
        assert "planted-secret" not in listed + added.output
        tested = self.run(data, "provider", "test", "company")
        assert tested.exit_code == 1
        assert "FAIL document: It lies in a private network" in tested.output
        assert "1 secrets" in self.run(data, "provider", "reseal").output
        assert self.run(data, "provider", "remove", "company", "--yes").exit_code == 0
        assert self.run(data, "provider", "list").output == ""
        wrong = self.run(data, "provider", "add", "Company", "--client-id", "a", typed="s\n")
        assert isinstance(wrong.exception, InvalidFields)
