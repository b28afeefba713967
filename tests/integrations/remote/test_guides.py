"""The guides say what there is, and their code runs."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest
from tests.architecture.source import ROOT
from tests.client.issuer import Clocks, Issuer
from tests.integrations.remote.conftest import bearer
from tests.integrations.remote.guests import Asgi, Wsgi, server_of
from tests.integrations.remote.test_every_framework import is_problem

from ostiary.client import ResourceServer
from ostiary.integrations import asgi, fastapi, flask
from ostiary.integrations.django.settings import MEMBERS

GUIDES = ROOT / "docs" / "guides"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UNSAID = {"Identity", "Refusal", "ResourceServer", "Refused", "RemoteUser"}


@pytest.mark.parametrize(
    ("module", "guide"),
    [("django", "django"), ("django.asgi", "django"), ("drf", "django"), ("flask", "flask"), ("asgi", "asgi")],
)
def test_a_guide_names_everything_that_its_integration_offers(module: str, guide: str) -> None:
    offered = set(import_module(f"ostiary.integrations.{module}").__all__)
    text = (GUIDES / f"{guide}.md").read_text()

    assert {name for name in offered if not re.search(rf"\b{name}\b", text)} <= UNSAID


def test_a_guide_names_every_setting() -> None:
    table = (GUIDES / "django.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE)) == MEMBERS

    code = (ROOT / "src" / "ostiary" / "integrations" / "flask.py").read_text()
    table = (GUIDES / "flask.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(OSTIARY_[A-Z_]+)`", table)) == set(re.findall(r"OSTIARY_[A-Z_]+", code))


def shown(guide: str, **names: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the guide needs
    """Run the first block of a guide, as somebody would who copies it, and return what it has made."""
    [code, *_] = BLOCK.findall((GUIDES / f"{guide}.md").read_text())
    found: dict[str, Any] = {"__name__": guide, **names}
    exec(compile(code, f"{guide}.md", "exec"), found)
    return found


def test_the_flask_guide_runs_as_shown(issuer: Issuer, clocks: Clocks) -> None:
    app = shown("flask")["app"]
    flask.Ostiary(app, server_of(issuer, clocks))  # one that trusts the issuer of the tests
    site = Wsgi(app)

    assert site.ask("GET", "/").text == "Hello, stranger."
    assert site.ask("GET", "/hello", bearer()).json == {"hello": "mira"}
    is_problem(site.ask("GET", "/hello"), 401, "not-signed-in")
    assert site.ask("DELETE", "/books/7", bearer()).status == 204
    is_problem(site.ask("DELETE", "/books/7", bearer(auth_time=0)), 401, "sign-in-too-old")


def test_the_fastapi_guide_runs_as_shown(issuer: Issuer, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastapi, "ResourceServer", lambda **_: server_of(issuer, clocks))
    site = Asgi(shown("fastapi-remote")["app"])

    assert site.ask("GET", "/").json == "Hello, stranger."
    assert site.ask("GET", "/hello", bearer()).json == {"hello": "mira"}
    is_problem(site.ask("GET", "/hello"), 401, "not-signed-in")
    assert site.ask("DELETE", "/books/7", bearer()).status == 200
    is_problem(site.ask("DELETE", "/books/7", bearer(permissions=())), 403, "not-permitted")
    is_problem(site.ask("DELETE", "/books/7", bearer(auth_time=0)), 401, "sign-in-too-old")


def test_the_asgi_guide_runs_as_shown(issuer: Issuer, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(**_: object) -> ResourceServer:
        return server_of(issuer, clocks)

    monkeypatch.setattr(asgi, "ResourceServer", trusting)
    site = Asgi(shown("asgi")["app"])

    assert site.ask("GET", "/hello", bearer()).json == {"hello": "mira"}
    is_problem(site.ask("GET", "/hello"), 401, "not-signed-in")
