"""The test kit, used as an application's tests use it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import flask
import httpx
import pytest
from fastapi import FastAPI
from tests.house import API
from tests.integrations.hosts import host_of, is_problem

from ostiary.core.errors import Misconfigured
from ostiary.integrations import flask as guest
from ostiary.integrations.fastapi import CurrentAccount, connect, require
from ostiary.testing import PASSWORD, InProcessOstiary, SignedIn
from ostiary.wiring import Ostiary


def library(ostiary: Ostiary) -> FastAPI:
    app = host_of(ostiary)

    @app.get("/shelf", dependencies=[require(scope="books:read")])
    async def shelf(account: CurrentAccount) -> dict[str, object]:
        return {"reader": account.username, "scopes": account.scopes}

    @app.get("/safe", dependencies=[require(fresh=timedelta(minutes=10), acr="phr")])
    async def safe() -> dict[str, str]:
        return {"open": "yes"}

    return app


class TestSessions:
    async def test_a_session_is_one_line_and_as_strong_as_the_test_says(self, ostiary: InProcessOstiary) -> None:
        async with ostiary.serving(library(ostiary)) as client:
            for acr, name in (("aal1", "bruno"), ("aal2", "carla"), ("phr", "dora")):
                person = await ostiary.sign_in(name, acr=acr)  # type: ignore[arg-type]
                assert (await client.get("/hello", headers=person.headers)).json()["id"] == person.id
                paths = ("/vault", "/safe")
                answered = [(await client.get(path, headers=person.headers)).status_code for path in paths]
                assert answered == {"aal1": [401, 401], "aal2": [200, 401], "phr": [200, 200]}[acr]

    async def test_permissions_and_addresses_are_what_the_test_says(self, ostiary: InProcessOstiary) -> None:
        async with ostiary.serving(library(ostiary)) as client:
            mira = await ostiary.sign_in("mira")
            assert is_problem(await client.get("/lend", headers=mira.headers), 403, "not-permitted")
            again = await ostiary.sign_in("mira", permissions=["books:lend"])
            assert again.id == mira.id
            assert (await client.get("/lend", headers=mira.headers)).status_code == 200

            claimed = await ostiary.sign_in("bruno", verified=False, email="b@example.net")
            assert claimed.email == "b@example.net"
            assert is_problem(await client.get("/verified", headers=claimed.headers), 403, "address-not-proven")

    async def test_a_browser_acts_by_its_cookies_and_another_page_does_not(self, ostiary: InProcessOstiary) -> None:
        async with ostiary.serving(library(ostiary)) as client:
            mira = await ostiary.sign_in()
            assert (await client.post("/things", headers=mira.browser)).json() == {"made_by": "mira"}
            foreign = mira.browser | {"origin": "https://elsewhere.test"}
            assert is_problem(await client.post("/things", headers=foreign), 403, "foreign-origin")

    async def test_everything_of_the_house_is_real(self, ostiary: InProcessOstiary) -> None:
        async with ostiary.serving(library(ostiary)) as client:
            mira = await ostiary.sign_in()
            assert (await client.post(f"{API}/logout", headers=mira.headers)).status_code == 200
            assert is_problem(await client.get("/hello", headers=mira.headers), 401, "not-signed-in")

            signed_in = await client.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})
            assert signed_in.status_code == 200
            assert (await client.get("/hello")).json()["hello"] == "mira"  # by the cookies that the client has kept

    async def test_time_stands_still_until_it_is_turned(self, ostiary: InProcessOstiary) -> None:
        async with ostiary.serving(library(ostiary)) as client:
            mira = await ostiary.sign_in()
            assert (await client.get("/fresh", headers=mira.headers)).status_code == 200
            ostiary.clock.advance(minutes=11)
            assert is_problem(await client.get("/fresh", headers=mira.headers), 401, "sign-in-too-old")
            ostiary.clock.advance(minutes=5)
            assert is_problem(await client.get("/hello", headers=mira.headers), 401, "not-signed-in")


class TestKeys:
    async def test_a_key_does_what_it_is_for_until_it_ends(self, ostiary: InProcessOstiary) -> None:
        async with ostiary.serving(library(ostiary)) as client:
            key = await ostiary.api_key("mira", scopes=["books:read"], lifetime=timedelta(days=1))
            told = (await client.get("/shelf", headers=key.headers)).json()
            assert told == {"reader": "mira", "scopes": ["books:read"]}
            narrow = await ostiary.api_key("mira")
            assert is_problem(await client.get("/shelf", headers=narrow.headers), 403, "scope-missing")
            ostiary.clock.advance(days=2)
            assert is_problem(await client.get("/shelf", headers=key.headers), 401, "api-key-refused")

    async def test_a_machine_has_keys_and_permissions(self, ostiary: InProcessOstiary) -> None:
        async with ostiary.serving(library(ostiary)) as client:
            key = await ostiary.api_key("robot", machine=True, scopes=["books:lend"], permissions=["books:lend"])
            assert (await client.get("/lend", headers=key.headers)).json() == {"lent": "yes"}


class TestLetters:
    async def test_a_letter_is_found_and_its_link_followed(self, ostiary: InProcessOstiary) -> None:
        body = {"username": "bruno", "email": "bruno@example.org", "password": PASSWORD}
        async with ostiary.serving() as client:
            assert (await client.post(f"{API}/register", json=body)).status_code == 201
            letter = await ostiary.letter("bruno@example.org")
            assert letter.link.startswith(f"{ostiary.origin}/auth/confirm?token={letter.token}")
            assert (await client.get(letter.link)).status_code == 200
            with pytest.raises(LookupError, match=r"bruno@example\.org"):
                await ostiary.letter("mira@example.org")

    async def test_a_code_to_type_is_taken_out(self, ostiary: InProcessOstiary) -> None:
        async with ostiary.serving() as client:
            await ostiary.sign_in("mira")
            answer = await client.post(f"{API}/magic-link/request", json={"email": "mira@example.org"})
            assert answer.status_code == 200, answer.text
            code = (await ostiary.letter("mira@example.org")).code
            # In the browser that asked, whose cookie the client has kept.
            signed_in = await client.post(f"{API}/magic-link/confirm", json={"code": code})
            assert signed_in.json()["user"]["username"] == "mira"


async def test_a_software_authenticator_signs_its_owner_in(ostiary: InProcessOstiary) -> None:
    async with ostiary.serving(library(ostiary)) as client:
        authenticator = await ostiary.passkey(await ostiary.sign_in("mira"))
        options = (await client.post(f"{API}/passkeys/sign-in/begin")).json()["publicKey"]
        shown = {"credential": authenticator.show(options)}
        assert (await client.post(f"{API}/passkeys/sign-in/finish", json=shown)).status_code == 200
        assert (await client.get("/safe")).json() == {"open": "yes"}


class TestWithoutAsync:
    def test_an_application_runs_in_a_thread(self, ostiary: InProcessOstiary) -> None:
        with ostiary.in_thread(library(ostiary)) as kit:
            mira = kit.sign_in("mira", permissions=["books:lend"])
            assert kit.client.get("/lend", headers=mira.headers).json() == {"lent": "yes"}
            assert kit.client.get("/shelf", headers=kit.api_key(scopes=["books:read"]).headers).status_code == 200
            assert kit.passkey(mira).count == 1
            assert "passkey" in kit.letter("mira@example.org").text
            assert kit.sent_letters("nobody@example.org") == []
            assert len(kit.wait(ostiary.passkeys.listed(mira.id))) == 1

    def test_the_frameworks_own_test_client_will_do(self, ostiary: InProcessOstiary) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a library of HTTP that Starlette would rather have
            from starlette.testclient import TestClient  # noqa: PLC0415

            with TestClient(library(ostiary), base_url=ostiary.origin) as client:
                mira = ostiary.sync.sign_in()
                assert client.get("/hello", headers=mira.headers).json()["id"] == mira.id
                assert client.post("/things", headers=mira.browser).status_code == 200

    def test_a_guest_elsewhere_trusts_it_by_its_keys_and_its_clock(self, ostiary: InProcessOstiary) -> None:
        with ostiary.in_thread() as kit:
            app = flask.Flask(__name__)
            guest.Ostiary(app, kit.resource_server())

            @app.get("/hello")
            @guest.require()
            def hello() -> dict[str, str]:
                return {"hello": guest.current_account().username}

            mira = kit.sign_in()
            assert app.test_client().get("/hello", headers=mira.headers).json == {"hello": "mira"}
            kit.clock.advance(minutes=16)
            assert app.test_client().get("/hello", headers=mira.headers).status_code == 401

    def test_a_fastapi_application_may_trust_it_from_elsewhere(self, ostiary: InProcessOstiary) -> None:
        async def asked(app: FastAPI, headers: dict[str, str]) -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://guest.test") as client:
                return await client.get("/hello", headers=headers)

        with ostiary.in_thread() as kit:
            app = FastAPI()
            connect(app, kit.resource_server())

            @app.get("/hello")
            async def hello(account: CurrentAccount) -> str:
                return account.username

            mira = kit.sign_in()
            assert asyncio.run(asked(app, mira.headers)).json() == "mira"
            kit.clock.advance(minutes=16)
            assert is_problem(asyncio.run(asked(app, mira.headers)), 401, "not-signed-in")

    async def test_whoever_would_wait_for_themselves_is_told(self, ostiary: InProcessOstiary) -> None:
        with pytest.raises(RuntimeError, match="not open"):
            _ = ostiary.sync
        async with ostiary:
            with pytest.raises(RuntimeError, match="wait for itself"):
                ostiary.sync.sign_in()

    def test_a_fault_at_the_start_is_the_tests(self, ostiary: InProcessOstiary) -> None:
        app = FastAPI(lifespan=_broken)
        with pytest.raises(RuntimeError, match="startup failed"), ostiary.in_thread(app):
            raise AssertionError("it has not started")


def _broken(_: FastAPI) -> Any:  # noqa: ANN401
    raise ValueError("no shelf")


class TestSettings:
    @pytest.fixture
    def ostiary_settings(self) -> Mapping[str, Mapping[str, Any]]:
        return {"web": {"product_name": "Books"}, "protection": {"anonymous_per_minute": 2}}

    async def test_a_suite_may_set_some(self, ostiary: InProcessOstiary) -> None:
        async with ostiary.serving() as client:
            assert "Books" in (await client.get("/auth/sign-in")).text
            await client.get("/auth/sign-in")
            assert (await client.get("/auth/sign-in")).status_code == 429


class TestAwayFromRealData:
    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        Ostiary.at(tmp_path)  # somebody's
        before = sorted(tmp_path.iterdir())
        with pytest.raises(Misconfigured, match="never pointed at"):
            InProcessOstiary.at(tmp_path)
        with pytest.raises(TypeError):
            InProcessOstiary(tmp_path)  # type: ignore[call-arg]
        assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.parametrize(
        "settings",
        [
            {"storage": {"database": "postgresql://ostiary@localhost/ostiary"}},
            {"storage": {"database": "sqlite:///ostiary.db"}},
            {"storage": {"push": "valkey", "valkey": "valkey://localhost"}},
            {"keys": {"root_secret_file": "root.secret"}},
            {"keys": {"root_secret": "x" * 40}},
        ],
    )
    def test_a_database_and_a_secret_are_refused(self, settings: dict[str, dict[str, str]]) -> None:
        with pytest.raises(Misconfigured, match="never pointed at"):
            InProcessOstiary(**settings)

    def test_the_environment_is_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OSTIARY_STORAGE__DATABASE", "postgresql://ostiary@localhost/ostiary")
        monkeypatch.setenv("OSTIARY_KEYS__ROOT_SECRET", "x" * 40)
        ostiary = InProcessOstiary()
        assert ostiary.database_url == f"sqlite:///{ostiary.data / 'ostiary.db'}"
        assert ostiary.settings.keys.root_secret is None

    async def test_it_is_gone_when_it_is_closed(self, ostiary: InProcessOstiary) -> None:
        async with ostiary.serving():
            assert (ostiary.data / "ostiary.db").exists()
        assert not ostiary.data.exists()
        with pytest.raises(Misconfigured, match="closed"):
            await ostiary.open()

    async def test_two_know_nothing_of_each_other(self, ostiary: InProcessOstiary) -> None:
        other = InProcessOstiary()
        async with ostiary, other.serving(library(other)) as client:
            mira: SignedIn = await ostiary.sign_in()
            assert is_problem(await client.get("/hello", headers=mira.headers), 401, "not-signed-in")


def test_secrets_are_not_printed() -> None:
    told = repr(SignedIn("1", "mira", "m@example.org", "2", "s3cret", "s3cret", {"a": "s3cret"}, {"a": "s3cret"}, {}))
    assert "s3cret" not in told
