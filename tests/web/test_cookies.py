"""Cookies: named, scoped and cleared in one place (spec section 2)."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from ostiary.web.cookies import Cookies, Kind
from ostiary.web.settings import CookieSettings
from ostiary.web.visit import Visit

KINDS: tuple[Kind, ...] = get_args(Kind)


def visit(*cookie_headers: bytes, **other: bytes) -> Visit:
    headers = [(b"cookie", value) for value in cookie_headers]
    headers += [(name.encode(), value) for name, value in other.items()]
    scope: dict[str, Any] = {"method": "GET", "path": "/", "headers": headers}
    return Visit(scope, None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cookie_is_bound_to_its_host_unless_a_domain_is_set(kind: Kind) -> None:
    bound, shared = Cookies(CookieSettings()), Cookies(CookieSettings(domain="example.org"))

    name, text = bound.write(kind, "value", 60)
    assert name == b"set-cookie"
    assert text.startswith(b"__Host-")  # no sister domain can plant it
    assert b"; Path=/;" in text
    assert b"; Secure" in text
    assert b"Domain" not in text
    assert b"; Max-Age=60;" in text
    assert not shared.write(kind, "value", 60)[1].startswith(b"__")
    assert shared.write(kind, "value", 60)[1].endswith(b"; Domain=example.org")


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_csrf_cookie_is_for_scripts_and_those_of_one_route_are_strict(kind: Kind) -> None:
    text = Cookies(CookieSettings()).write(kind, "v", 60)[1]

    assert (b"HttpOnly" in text) == (kind != "csrf")
    assert (b"SameSite=Strict" in text) == (kind in ("refresh", "passkey"))
    assert (b"SameSite=Lax" in text) == (kind not in ("refresh", "passkey"))


@pytest.mark.parametrize("kind", KINDS)
def test_clearing_names_the_very_cookie_that_was_set(kind: Kind) -> None:
    for cookies in (Cookies(CookieSettings()), Cookies(CookieSettings(domain="example.org"))):
        written, cleared = (
            text.decode().split("; ") for text in (cookies.write(kind, "v", 60)[1], cookies.clear(kind)[1])
        )
        assert cleared[0] == written[0].removesuffix("v")
        assert "Max-Age=0" in cleared
        same = [part for part in written if not part.startswith(("Max-Age", cookies.name(kind)))]
        assert same == [part for part in cleared if not part.startswith(("Max-Age", cookies.name(kind)))]


def test_names_are_settings() -> None:
    names = {
        "access": "a1", "refresh": "r1", "session": "s1", "csrf": "c1", "device": "d1", "passkey": "p1", "link": "l1",
        "bound": "b1", "federation": "f1",
    }  # fmt: skip
    cookies = Cookies(CookieSettings(**names))

    assert {kind: cookies.name(kind) for kind in KINDS} == {kind: f"__Host-{name}" for kind, name in names.items()}


def test_a_cookie_of_the_bare_name_is_not_ours() -> None:
    cookies = Cookies(CookieSettings())

    assert cookies.read(visit(b"__Host-access_token=good"), "access") == "good"
    assert cookies.read(visit(b"access_token=planted"), "access") is None  # a sister domain could set it
    assert cookies.read(visit(b"__host-access_token=planted"), "access") is None  # CVE-2024-47764's kind of trick
    assert cookies.read(visit(b"__Host-access_token="), "access") is None


def test_nothing_is_read_beside_an_authorization_header() -> None:
    cookies = Cookies(CookieSettings())

    assert cookies.read(visit(b"__Host-access_token=good", authorization=b""), "access") is None
    assert cookies.read(visit(b"__Host-access_token=good", authorization=b"Bearer x"), "access") is None


def test_crumbs_of_http2_are_one_list_and_doubled_names_count_for_nothing() -> None:
    cookies = Cookies(CookieSettings())
    crumbs = visit(b"__Host-access_token=good", b"__Host-device=d")

    assert cookies.read(crumbs, "access") == "good"
    assert cookies.read(crumbs, "device") == "d"
    assert cookies.read(visit(b"__Host-device=d", b"__Host-device=d"), "device") is None
