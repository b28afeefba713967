"""Providers of a test's own, on loopback: they speak the protocol, and go wrong as the test says."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

from tests.services.web import Heard, Site, open_site

from ostiary.client import SigningKey
from ostiary.client.jws import sign
from ostiary.core.clock import Clock

CLIENT, SECRET = "the-house", "a secret: of the house's own/&"


@dataclass
class Person:
    """Somebody who has an account at a provider, and is signed in there."""

    sub: str
    email: str | None = None
    email_verified: object = True
    username: str = ""
    name: str = ""


@dataclass
class Scripted:
    """An OpenID provider, and GitHub's way besides.

    Attributes:
        clock: Tells the time that its tokens bear.
        person: Who presses its button.
        claims: Put over those of an ID token; None takes one away.
        token: Makes the ID token, where a signature of its own will not do.
        document: Put over its metadata, as `claims`.
        answers: Raw answers by path, instead of its own.
        lead_back: Whether its authorization endpoint says no where it was told to, as with `prompt=none`.
        ahead: Seconds by which its clock is ahead.
        shown: Secrets that clients have shown in forms.
        slow: Seconds that each answer takes.
        asked: Forms that came to its token endpoint.
    """

    clock: Clock
    person: Person = field(default_factory=lambda: Person("1001", "mira@example.org", username="mira"))
    claims: dict[str, Any] = field(default_factory=dict)
    token: Callable[[dict[str, Any]], str] | None = None
    document: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, bytes] = field(default_factory=dict)
    slow: float = 0.0
    names_itself: bool = True
    lifetime: int | None = 3600
    gives_refresh: bool = True
    lead_back: bool = False
    ahead: int = 0
    shown: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    key: SigningKey = field(default_factory=lambda: SigningKey.generate("ES256", "first"))
    site: Site = field(default_factory=Site)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _people: dict[str, Person] = field(default_factory=dict)
    refreshes: dict[str, Person] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.site.url

    # --- The browser's part

    def authorize(self, url: str, **changed: str) -> str:
        """Press the button at the provider; return the path and query at the house that the browser is sent to."""
        parts = urlsplit(url)
        asked = dict(parse_qsl(parts.query))
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code], self._people[code] = asked, self.person
        answer = {"code": code, "state": asked["state"]} | ({"iss": self.issuer} if self.names_itself else {}) | changed
        place = urlsplit(asked["redirect_uri"])
        query = "&".join(f"{name}={quote(text, safe='')}" for name, text in answer.items() if text != "-")
        return f"{place.path}?{query}"

    # --- The house's part

    async def serve(self, heard: Heard, writer: asyncio.StreamWriter) -> None:
        method, target, _ = heard.line.split(" ")
        path = urlsplit(target).path
        self.seen.append(f"{method} {path}")
        await asyncio.sleep(self.slow)
        if path in self.answers:
            writer.write(self.answers[path])
        else:
            writer.write(self._written(target, heard))
        await writer.drain()

    def _written(self, target: str, heard: Heard) -> bytes:
        date = formatdate(self.clock.now() / 1000 + self.ahead, usegmt=True)
        path, _, query = target.partition("?")
        if path == "/authorize" and self.lead_back:
            asked = dict(parse_qsl(query))
            place = f"{asked['redirect_uri']}?error=login_required&state={asked['state']}"
            return f"HTTP/1.1 303 There\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
        status, body = self._answer(path, heard)
        raw = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} Told\r\nDate: {date}\r\nContent-Type: application/json\r\n"
        return head.encode() + b"Content-Length: %d\r\n\r\n" % len(raw) + raw

    def _answer(self, path: str, heard: Heard) -> tuple[int, Any]:
        own: dict[str, Callable[[], tuple[int, Any]]] = {
            "/.well-known/openid-configuration": lambda: (200, _over(self._document(), self.document)),
            "/jwks": lambda: (200, {"keys": [self.key.verifying.to_jwk()]}),
            "/token": lambda: self._token(heard),
            "/login/oauth/access_token": lambda: self._token(heard),
            f"/api/v3/applications/{CLIENT}/grant": lambda: self._revoke_grant(heard),
            "/revoke": lambda: self._revoke(heard),
        }
        if path in own:
            return own[path]()
        person = self.refreshes.get(heard.headers.get("authorization", "").removeprefix("Bearer access-"))
        return (200, _told_of(person, path)) if person else (401, {"message": "Bad credentials"})

    def _revoke(self, heard: Heard) -> tuple[int, Any]:
        self.revoked.append(_form(heard)["token"])
        return 200, {}

    def _revoke_grant(self, heard: Heard) -> tuple[int, Any]:
        assert heard.line.startswith("DELETE")
        self.revoked.append(json.loads(heard.body)["access_token"])
        return 204, {}

    def _document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo", "revocation_endpoint": f"{self.issuer}/revoke",
            "authorization_response_iss_parameter_supported": self.names_itself,
        }  # fmt: skip

    def _token(self, heard: Heard) -> tuple[int, Any]:
        form = _form(heard)
        self.asked.append(form)
        self.shown.append(form.get("client_secret", ""))
        if not _is_the_house(heard, form):
            return 401, {"error": "invalid_client"}
        if form["grant_type"] == "refresh_token":
            person = self.refreshes.pop(form["refresh_token"].removeprefix("refresh-"), None)
            return (200, self._given(person, None)) if person else (400, {"error": "invalid_grant"})
        asked = self._codes.pop(form.get("code", ""), None)
        shown = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(shown).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, self._given(self._people.pop(form["code"]), asked)

    def _given(self, person: Person, asked: dict[str, str] | None) -> dict[str, Any]:
        number = secrets.token_hex(8)
        self.refreshes[number] = person
        given: dict[str, Any] = {
            "access_token": f"access-{number}", "token_type": "Bearer", "refresh_token": f"refresh-{number}",
        }  # fmt: skip
        if not self.gives_refresh:
            del given["refresh_token"]
        if self.lifetime is not None:
            given["expires_in"] = self.lifetime
        if asked is not None:
            given["scope"] = asked["scope"]
        if asked is not None and "nonce" in asked:
            claims = _over(self._claims(person, asked), self.claims)
            given["id_token"] = self.token(claims) if self.token else sign(claims, self.key, "JWT")
        return given

    def _claims(self, person: Person, asked: dict[str, str]) -> dict[str, Any]:
        now = self.clock.now() // 1000
        claims: dict[str, Any] = {
            "iss": self.issuer, "sub": person.sub, "aud": asked["client_id"], "exp": now + 300, "iat": now,
            "nonce": asked["nonce"], "email": person.email, "email_verified": person.email_verified,
            "preferred_username": person.username, "name": person.name,
        }  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}


@asynccontextmanager
async def open_provider(clock: Clock, **options: Any) -> AsyncIterator[Scripted]:  # noqa: ANN401
    """Open a provider until the block ends."""
    provider = Scripted(clock, **options)
    provider.site.instead = provider.serve
    async with open_site(provider.site):
        yield provider


def _form(heard: Heard) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(heard.body.decode()).items()}


def _is_the_house(heard: Heard, form: dict[str, str]) -> bool:
    """Tell whether the client's own credentials came along, in either form (RFC 6749 section 2.3.1)."""
    shown = heard.headers.get("authorization", "")
    if shown.startswith("Basic "):
        name, _, secret = base64.b64decode(shown[6:]).decode().partition(":")
        return (name, secret) == (CLIENT, "a+secret%3A+of+the+house%27s+own%2F%26")
    return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)


def _over(claims: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (claims | changed).items() if value is not None}


def _told_of(person: Person, path: str) -> Any:  # noqa: ANN401 - as JSON
    if path == "/api/v3/user":
        return {"id": int(person.sub), "login": person.username, "name": person.name or None}
    if path == "/api/v3/user/emails":
        other = {"email": "other@example.org", "primary": False, "verified": True}
        return [other, {"email": person.email, "primary": True, "verified": person.email_verified}]
    return {"sub": person.sub, "email": person.email, "email_verified": person.email_verified}
