"""Fixtures for applications that trust an Ostiary elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.client.forging import NOW, claims, forge, header
from tests.client.issuer import Clocks, Issuer, running
from tests.integrations.remote.guests import FRAMEWORKS, Guest, django_trusts, guest_of

from ostiary.client import SigningKey

KEY = SigningKey.generate("ES256", "current")


@pytest.fixture(scope="module")
def one_issuer() -> Iterator[Issuer]:
    with running() as issuer:
        yield issuer


@pytest.fixture
def issuer(one_issuer: Issuer) -> Issuer:
    """A scripted issuer, which has published `KEY` and was asked for nothing yet."""
    one_issuer.asked, one_issuer.status, one_issuer.delay = 0, 200, 0.0
    one_issuer.headers = {}
    one_issuer.publish(KEY)
    return one_issuer


@pytest.fixture
def clocks() -> Clocks:
    return Clocks(NOW)


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def guest(framework: str, issuer: Issuer, clocks: Clocks) -> Iterator[Guest]:
    """The application of the tests, in each framework."""
    with django_trusts(issuer, clocks):
        yield guest_of(framework, issuer, clocks)


def token_of(key: SigningKey = KEY, **changes: object) -> str:
    """Return mira's token, signed by a key of the issuer's."""
    return forge(claims(**changes), header(key), key)


def bearer(token: str | None = None, **changes: object) -> dict[str, str]:
    return {"authorization": f"Bearer {token if token is not None else token_of(KEY, **changes)}"}


def cookie(token: str | None = None, **headers: str) -> dict[str, str]:
    """Return the headers of a browser that is signed in."""
    return {"cookie": f"__Host-access_token={token if token is not None else token_of()}", **headers}
