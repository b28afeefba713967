"""A browser that keeps a key for each bound session, byte for byte as Chromium 150 does it (measured)."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.contract.browser import Browser
from tests.house import API

from ostiary.client import SigningKey
from ostiary.client.keys import joserfc_algorithm

REGISTER, RENEW = f"{API}/dbsc/register", f"{API}/dbsc/refresh"
_OFFER = re.compile(r'\(ES256\);path="([^"]+)";challenge="([^"]+)";authorization="([^"]+)"')
_CHALLENGE = re.compile(r'"([^"]+)";id="([^"]+)"')


def b64(value: object) -> str:
    """Return bytes, or a value as JSON, in base64url."""
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True)
class Offer:
    """What a `Secure-Session-Registration` header says."""

    path: str
    challenge: str
    authorization: str

    @classmethod
    def of(cls, answer: httpx.Response) -> Offer:
        """Return the offer that an answer carries."""
        return cls.read(answer.headers["secure-session-registration"])

    @classmethod
    def read(cls, header: str) -> Offer:
        """Return the offer that a header makes."""
        found = _OFFER.fullmatch(header)
        assert found, header
        return cls(*found.groups())


def challenge_in(answer: httpx.Response) -> tuple[str, str]:
    """Return the challenge that an answer carries, and for which session it is."""
    return read_challenge(answer.headers["secure-session-challenge"])


def read_challenge(header: str) -> tuple[str, str]:
    """Return the challenge in a header, and for which session it is."""
    found = _CHALLENGE.fullmatch(header)
    assert found, header
    return found[1], found[2]


def signed(claims: dict[str, Any], key: SigningKey, **header: Any) -> str:  # noqa: ANN401
    """Return a signed answer; the header is `alg` and `typ` and what more is given."""
    head = {"alg": "ES256"} | header | {"typ": "dbsc+jwt"}
    text = f"{b64(head)}.{b64(claims)}"
    return f"{text}.{b64(joserfc_algorithm(key.algorithm).sign(text.encode(), key.jose))}"


def jwk_of(key: SigningKey) -> dict[str, str]:
    """Return a public key as browsers write it."""
    told = key.verifying.to_jwk()
    return {name: told[name] for name in ("crv", "kty", "x", "y")}


@dataclass
class Device:
    """A browser with its key store; it renews when its bound cookie is gone, and before it asks anything else.

    Attributes:
        browser: Its cookies; of bound ones it knows no time, `forget_bound` lets them run out.
        key: Of the session that it has registered.
        session_id: That session.
        challenge: The one to be signed next.
    """

    browser: Browser
    key: SigningKey = field(default_factory=lambda: SigningKey.generate("ES256"))
    session_id: str = ""
    challenge: str | None = None
    instructions: dict[str, Any] = field(default_factory=dict)

    def signed(self, claims: dict[str, Any], *, key: SigningKey | None = None, **header: Any) -> str:  # noqa: ANN401
        """Return a signed answer; the header is `alg` and `typ` and what more is given."""
        return signed(claims, key or self.key, **header)

    def jwk(self) -> dict[str, str]:
        """Return the public key as browsers write it."""
        return jwk_of(self.key)

    async def ask(self, path: str, headers: dict[str, str], *, with_cookies: bool = True) -> httpx.Response:
        """Send what browsers send by themselves: no origin, no `Sec-Fetch-*`, no CSRF token, no body."""
        if with_cookies and self.browser.cookies:
            headers = headers | {"cookie": "; ".join(f"{n}={v}" for n, v in self.browser.cookies.items())}
        answer = await self.browser.client.post(path, headers=headers)
        self.browser.keep(answer)
        return answer

    async def register(self, offer: Offer, **changes: Any) -> httpx.Response:  # noqa: ANN401
        """Take an offer up."""
        claims = {"authorization": offer.authorization, "jti": offer.challenge} | changes
        return self._take(await self.ask(offer.path, self._answer(self.signed(claims, jwk=self.jwk()))))

    async def renew(self, *, with_cookies: bool = True) -> httpx.Response:
        """Renew the bound cookie: show what is signed, and sign what is asked for instead, as often as needed."""
        for _ in range(5):
            shown = self._answer(self.signed({"jti": self.challenge})) if self.challenge else {}
            shown["sec-secure-session-id"] = self.session_id
            answer = await self.ask(RENEW, shown, with_cookies=with_cookies)
            if answer.status_code != 403 or "secure-session-challenge" not in answer.headers:
                return self._take(answer)
            self.challenge, named = challenge_in(answer)
            assert named == self.session_id
        return answer

    def forget_bound(self) -> str:
        """Let the bound cookie run out; return what it held."""
        return self.browser.cookies.pop(self.bound)

    @property
    def bound(self) -> str:
        """The name of the bound cookie."""
        name: str = self.instructions["credentials"][0]["name"]
        return name

    def _take(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == 200:
            self.instructions = answer.json()
            self.session_id = self.instructions["session_identifier"]
            self.challenge, named = challenge_in(answer)
            assert named == self.session_id
        return answer

    @staticmethod
    def _answer(signed: str) -> dict[str, str]:
        return {"secure-session-response": signed}


async def bound_device(client: httpx.AsyncClient, name: str = "mira") -> Device:
    """Sign somebody in who is registered, on a device that binds the session."""
    device = Device(Browser(client))
    answer = await device.register(Offer.of(await device.browser.sign_in(name)))
    assert answer.status_code == 200, answer.text
    return device
