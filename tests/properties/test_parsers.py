"""What the edge parses, fed with anything: it reads or refuses, and two spellings never mean one thing."""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.attacks.raw import ask

from ostiary.accounts import find_address_key
from ostiary.core.clock import ManualClock
from ostiary.core.keyring import Key, KeyRing
from ostiary.core.secrets import Macs, b64, unb64
from ostiary.login import folded
from ostiary.web.address import ClientAddress, counted, parsed
from ostiary.web.forms import LONGEST_FIELD, clean
from ostiary.web.gate import Gate
from ostiary.web.redirects import own_path
from ostiary.web.settings import WebSettings, origin_of
from ostiary.web.visit import Receive, Scope, Send, Visit, parsed_cookies

PROXIES = ClientAddress(("10.0.0.0/8", "fd00::/16"), "x-forwarded-for")
STANDARD = ClientAddress(("10.0.0.0/8", "fd00::/16"), "forwarded")
CLIENT = "198.51.100.9"
CLOCK = ManualClock()


def macs() -> Macs:
    ring = KeyRing()
    ring.replace([Key("k1", "mac", "HKDF-SHA256", b"k" * 32, 0, 0, None, None)])
    return Macs(ring, CLOCK)


MACS = macs()
FIELD = st.text("ABCxyz019-_", min_size=1, max_size=40)
TOKEN_LIKE = st.text("ABab01-_.=+/ \x00é", max_size=120)


@given(st.binary(max_size=300))
def test_any_cookie_header_is_read_and_no_name_counts_twice(raw: bytes) -> None:
    found = parsed_cookies(raw)

    names = [part.strip(" \t").partition("=") for part in raw.decode("latin-1").split(";")]
    given_names = [name for name, equals, _ in names if equals]
    assert all(given_names.count(name) == 1 for name in found)
    assert {name for name in given_names if given_names.count(name) == 1} == set(found)


@given(st.lists(st.tuples(st.sampled_from("abc"), FIELD), max_size=6))
def test_cookies_mean_the_same_in_one_header_and_in_crumbs(pairs: list[tuple[str, str]]) -> None:
    crumbs = [f"{name}={value}".encode() for name, value in pairs]
    one = Visit({"method": "GET", "path": "/", "headers": [(b"cookie", b"; ".join(crumbs))]}, None)
    many = Visit({"method": "GET", "path": "/", "headers": [(b"cookie", crumb) for crumb in crumbs]}, None)

    assert one.cookies == many.cookies


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"cookie", b"x"]), st.binary(max_size=40)), max_size=5))
def test_any_credential_header_is_read_without_a_fault(headers: list[tuple[bytes, bytes]]) -> None:
    visit = Visit({"method": "GET", "path": "/", "headers": headers}, None)

    shown = [value for name, value in headers if name == b"authorization"]
    assert (visit.bearer is None) == (not shown)
    if len(shown) > 1:
        assert visit.bearer == ""
    if shown:
        assert visit.cookies == {}


@given(st.text(max_size=80))
@example("1.2.3.4:80")
@example("[::1]:80")
@example("::1%eth0")
def test_any_text_is_an_address_or_none(text: str) -> None:
    address = parsed(text)

    assert counted(text) == "unknown" if address is None else counted(text) != "unknown"
    if address is not None:
        assert parsed(str(address)) == address
        assert getattr(address, "ipv4_mapped", None) is None


@given(st.text(max_size=200), st.sampled_from([PROXIES, STANDARD]))
def test_whatever_stands_in_the_header_the_answer_is_an_address_or_unknown(text: str, finder: ClientAddress) -> None:
    found = finder.find("10.0.0.1", text)

    assert found is None or str(ip_address(found)) == found
    assert finder.find("203.0.113.7", text) == "203.0.113.7"  # no proxy: nobody asked for its word


@given(st.text(max_size=200), st.lists(st.sampled_from(["10.1.1.1", "10.2.2.2:80", "fd00::5"]), max_size=4))
def test_nothing_that_a_client_writes_changes_who_it_is(invented: str, proxies: list[str]) -> None:
    by_proxies = ", ".join([CLIENT, *proxies])

    assert PROXIES.find("10.0.0.1", by_proxies) == CLIENT
    assert PROXIES.find("10.0.0.1", f"{invented}, {by_proxies}") == CLIENT


@given(st.text(max_size=200), st.binary(max_size=100))
def test_nothing_that_a_client_writes_makes_plain_http_secure(text: str, raw: bytes) -> None:
    headers = {b"x-forwarded-proto": raw, b"forwarded": raw}

    assert not PROXIES.is_https("http", "203.0.113.7", headers)
    assert PROXIES.is_https("https", text, headers)


PATHS = st.one_of(
    st.text(max_size=80),
    st.text("/\\.:@%?#aé\t\n\r ", max_size=20),
    st.lists(st.sampled_from(["/", "//", "\\", "..", "evil.example", "a", "%2f", "@", ":"]), max_size=6).map("".join),
)


@given(PATHS)
def test_no_text_leads_to_another_place(text: str) -> None:
    path = own_path(text, "/home")

    assert path in (text, "/home")
    place = urlsplit(urljoin("https://login.example.org/auth/sign-in", path))
    assert (place.scheme, place.netloc, place.query, place.fragment) == ("https", "login.example.org", "", "")
    assert place.path == path  # nothing was resolved: what was checked is what the browser opens
    assert not re.search(r"[\\\s%]|//", path)


@given(st.binary(max_size=60), st.sampled_from(["GET", "POST"]))
def test_any_path_is_seen_in_one_form_or_not_at_all(raw: bytes, method: str) -> None:
    seen: list[str] = []

    async def room(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    answer = asyncio.run(ask(Gate(room, {}, WebSettings()), method, raw))

    assert answer.status == (200 if seen else 404)
    for path in seen:
        assert path == "/" or not path.endswith("/")
        assert path.encode() == raw.partition(b"?")[0].removesuffix(b"/") or path == "/"
        assert "//" not in path
        assert "%" not in path
        assert not {".", ".."} & set(path.split("/"))


@given(st.lists(FIELD, min_size=1, max_size=3), st.sampled_from(["a purpose", "another"]))
def test_a_mac_is_read_back_as_written_and_only_for_its_purpose(fields: list[str], purpose: str) -> None:
    text = MACS.write(purpose, *fields)

    assert MACS.read(purpose, text, len(fields)) == tuple(fields)
    assert MACS.read(purpose + "x", text, len(fields)) is None
    assert MACS.read(purpose, text, len(fields) + 1) is None


@given(st.lists(FIELD, min_size=1, max_size=3), st.data())
def test_no_neighbour_of_a_mac_is_read(fields: list[str], data: st.DataObject) -> None:
    text = MACS.write("a purpose", *fields)
    at = data.draw(st.integers(0, len(text)))
    kept = data.draw(st.integers(at, len(text)))
    put = data.draw(TOKEN_LIKE)
    changed = text[:at] + put + text[kept:]
    assume(changed != text)

    assert all(MACS.read("a purpose", changed, count) is None for count in range(1, 5))


@given(TOKEN_LIKE)
def test_no_invented_mac_is_read(text: str) -> None:
    assert all(MACS.read("a purpose", text, count) is None for count in range(1, 4))


@given(TOKEN_LIKE)
def test_bytes_have_one_spelling_in_base64url(text: str) -> None:
    try:
        raw = unb64(text)
    except ValueError:
        return
    assert b64(raw) == text


@given(
    st.one_of(
        st.none(), st.integers(), st.text(max_size=50), st.text(min_size=LONGEST_FIELD - 1, max_size=LONGEST_FIELD + 1)
    )
)
def test_a_form_field_is_text_of_bounded_length_without_nul(value: object) -> None:
    found = clean(value)

    assert found in ("", value)
    assert len(found) <= LONGEST_FIELD
    assert "\x00" not in found


@given(st.text(max_size=330))
def test_any_login_has_one_folded_form(text: str) -> None:
    once = folded(text)

    assert folded(text.upper()) == folded(text.upper().upper())
    assert isinstance(once, str)
    key = find_address_key(text)
    assert key is None or find_address_key(key) == key


@given(
    st.sampled_from(["http", "https", "HTTPS"]),
    st.from_regex(r"[A-Za-z0-9-]{1,20}(\.[A-Za-z0-9-]{1,20}){0,3}", fullmatch=True),
    st.one_of(st.none(), st.integers(1, 65535)),
)
def test_an_origin_is_written_in_one_way(scheme: str, host: str, port: int | None) -> None:
    url = f"{scheme}://{host}" + (f":{port}" if port else "")

    origin = origin_of(url)

    assert origin == origin_of(origin) == origin_of(url + "/") == origin.lower()
    default = {"http": 80, "https": 443}[scheme.lower()]
    assert origin.endswith(f":{port}") == (port not in (None, default))  # browsers leave the default out (RFC 6454)
