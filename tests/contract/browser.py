"""What a browser adds to each request: its cookies, its origin, and the header that our scripts repeat."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.house import ORIGIN, PASSWORD

HOST = "__Host-"
CSRF, ACCESS, REFRESH, PAGE, DEVICE = (
    HOST + name for name in ("csrftoken", "access_token", "refresh_token", "sessionid", "device")
)


@dataclass(frozen=True)
class SetCookie:
    """One `Set-Cookie` header."""

    name: str
    value: str
    attributes: dict[str, str]


def set_cookies(answer: httpx.Response) -> dict[str, SetCookie]:
    """Return the cookies that an answer sets, by name; none is set twice."""
    found: dict[str, SetCookie] = {}
    for line in answer.headers.get_list("set-cookie"):
        pair, *rest = line.split("; ")
        name, _, value = pair.partition("=")
        parts = (part.partition("=") for part in rest)
        assert name not in found, f"{name} is set twice"
        found[name] = SetCookie(name, value, {key.lower(): text for key, _, text in parts})
    return found


@dataclass
class Browser:
    """A browser on the house's own pages (httpx would not send `Secure` cookies to http://localhost)."""

    client: httpx.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)
    origin: str | None = ORIGIN
    fetch_site: str | None = "same-origin"

    async def request(
        self,
        method: str,
        path: str,
        *,
        csrf: bool = True,
        headers: dict[str, str] | None = None,
        **more: Any,  # noqa: ANN401
    ) -> httpx.Response:
        """Send a request as a page's script does."""
        sent: dict[str, str] = {}
        if self.fetch_site is not None:
            sent["sec-fetch-site"] = self.fetch_site
        if self.origin is not None and method not in ("GET", "HEAD"):
            sent["origin"] = self.origin
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if csrf and CSRF in self.cookies and method not in ("GET", "HEAD"):
            sent["x-csrf-token"] = self.cookies[CSRF]
        answer = await self.client.request(method, path, headers=sent | (headers or {}), **more)
        self.keep(answer)
        return answer

    async def get(self, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        return await self.request("GET", path, **more)

    async def post(self, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        return await self.request("POST", path, **more)

    async def submit(self, path: str, *, at: str | None = None, **fields: str) -> httpx.Response:
        """Load a page and send its form: the token comes from the form, not from a header."""
        shown = await self.get(at or path)
        token = form_token(shown)
        return await self.request("POST", path, csrf=False, data={"csrf_token": token, **fields})

    async def sign_in(self, name: str = "mira", password: str = PASSWORD) -> httpx.Response:
        """Sign in as our own script would."""
        await self.get("/api/v1/auth/csrf")
        answer = await self.post("/api/v1/auth/login", json={"login": name, "password": password})
        assert answer.status_code == 200, answer.text
        return answer

    def keep(self, answer: httpx.Response) -> None:
        """Take over the cookies of an answer."""
        for cookie in set_cookies(answer).values():
            if cookie.attributes.get("max-age") == "0":
                self.cookies.pop(cookie.name, None)
            else:
                self.cookies[cookie.name] = cookie.value


def form_token(answer: httpx.Response) -> str:
    """Return the CSRF token of a page's first form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert found, answer.text[:300]
    return found[1]
