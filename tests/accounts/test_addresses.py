from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ostiary.accounts.addresses import (
    AddressSettings,
    check_address,
    find_address_key,
    has_mail_exchanger,
    is_disposable,
    masked,
    parse_address,
)
from ostiary.core.errors import InvalidFields


def refusal(text: str, settings: AddressSettings | None = None) -> str:
    with pytest.raises(InvalidFields) as refused:
        check_address(text, settings or AddressSettings())
    assert refused.value.__context__ is None
    return refused.value.errors[0].code


def test_an_address_keeps_its_spelling_and_has_one_key() -> None:
    address = parse_address(" Mira.Jones+Shop@Example.ORG ")

    assert address.shown == "Mira.Jones+Shop@example.org"
    assert address.key == "mira.jones+shop@example.org"
    assert address.domain == "example.org"
    assert address.ascii == "Mira.Jones+Shop@example.org"


def test_spellings_of_an_international_domain_are_one() -> None:
    one, other = parse_address("mira@MÜNCHEN.de"), parse_address("Mira@xn--mnchen-3ya.DE")

    assert one.key == other.key == "mira@xn--mnchen-3ya.de"
    assert one.shown == "mira@münchen.de"
    assert one.ascii == "mira@xn--mnchen-3ya.de"


def test_an_international_local_part_passes_in_composed_form() -> None:
    assert parse_address("Jose\u0301@example.org").key == parse_address("josé@example.org").key
    assert parse_address("用户@例え.jp").ascii is None


NO_ADDRESSES = """
    mira @example.org mira@ mira@org a@b@example.org mira..j@example.org .mira@example.org mira.@example.org
    mira@-example.org mira@example..org mira@example.org. mira@ex_ample.org "mira"@example.org mira(home)@example.org
    <mira@example.org> mira@[127.0.0.1] mira@127.0.0.1 mira@localhost mira@printer.local mira@xn--a.org
    mira＠example.org
""".split()  # noqa: SIM905 - a list of words reads best as words


@pytest.mark.parametrize("text", [*NO_ADDRESSES, "m" * 65 + "@example.org"])
def test_what_is_no_plain_address_is_refused(text: str) -> None:
    assert refusal(text) == "invalid"


@pytest.mark.parametrize(
    "text",
    [
        "mira@example.org\r\nBcc: all@example.org",
        "mira@example.org\n",
        "mira\x00@example.org",
        "mi ra@example.org",
        "Mira <mira@example.org>",
        "mira@exam\u200bple.org",
        "mi\u202era@example.org",
        "mi\u00adra@example.org",
    ],
)
def test_header_injection_and_invisible_characters_are_refused(text: str) -> None:
    assert refusal(text) == "characters"


def test_lengths_are_counted_in_octets() -> None:
    assert refusal("é" * 33 + "@example.org") == "too-long"
    assert refusal("a" * 60 + "@" + "b" * 60 + "." + "c" * 300 + ".org") == "too-long"
    assert parse_address("é" * 32 + "@example.org").domain == "example.org"


def test_nothing_at_all_is_missing() -> None:
    assert refusal("  ") == "missing"


# CVE-2019-19844: an address that folds to another one's must not find, join or replace its account.
@pytest.mark.parametrize(
    "text", ["mi\u212ae@example.org", "ｍike@example.org", "\ufb01ona@example.org", "a\u1fefb@example.org"]
)
def test_letters_that_normalise_to_others_are_refused(text: str) -> None:
    assert refusal(text) == "look-alike"


def test_case_folding_of_other_alphabets_joins_no_two_mailboxes() -> None:
    spellings = ["mıke", "mike", "mİke", "mİke", "straße", "strasse", "ſam", "sam", "ΣΑΣ", "σας", "σασ", "Éva", "éva"]
    keys = [key for local in dict.fromkeys(spellings) if (key := find_address_key(f"{local}@example.org"))]

    assert len(keys) == len(set(keys))
    assert find_address_key("MIKE@example.org") == "mike@example.org"


def test_look_alike_domains_resolve_to_the_domain_that_mail_goes_to() -> None:
    assert parse_address("a@\u212aelvin.org").shown == "a@kelvin.org"
    assert parse_address("a@аpple.com").domain == "xn--pple-43d.com"


@given(st.emails())
def test_the_key_of_a_key_is_the_key(text: str) -> None:
    key = find_address_key(text)
    if key is not None:
        assert find_address_key(key) == key
        assert find_address_key(parse_address(text).shown) == key


@given(st.text(max_size=300) | st.text('ab.@"\\<>()[]:;, \r\n-é\u212aß。', max_size=60))
def test_any_text_is_an_address_or_a_refusal_that_does_not_repeat_it(text: str) -> None:
    try:
        address = parse_address(text)
    except InvalidFields as refused:
        if len(text.strip()) > 12:
            words = "".join(traceback.format_exception(refused, limit=0)) + str(refused.document())
            assert text.strip() not in words
        return
    assert address.key.isprintable()
    assert address.key.count("@") == 1


def test_the_representation_hides_the_name() -> None:
    assert repr(parse_address("mira@example.org")) == "Address(m…@example.org)"
    assert masked("mira@example.org") == "m…@example.org"
    assert masked("a@example.org") == "a…@example.org"
    assert masked("no address") == "…"


def test_domains_are_refused_with_their_subdomains() -> None:
    settings = AddressSettings(refused_domains=frozenset({"Rival.example.com", "münchen.de"}))

    assert refusal("a@rival.example.com", settings) == "domain-refused"
    assert refusal("a@mail.rival.example.com", settings) == "domain-refused"
    assert refusal("a@xn--mnchen-3ya.de", settings) == "domain-refused"
    assert check_address("a@notrival.example.com", settings).domain == "notrival.example.com"


def test_only_allowed_domains_register_where_any_are_named() -> None:
    settings = AddressSettings(
        allowed_domains=frozenset({"example.org"}), refused_domains=frozenset({"old.example.org"})
    )

    assert check_address("a@uni.example.org", settings).domain == "uni.example.org"
    assert refusal("a@old.example.org", settings) == "domain-refused"
    assert refusal("a@example.org.evil.com", settings) == "domain-refused"


def test_disposable_domains_are_refused_unless_a_setting_spares_them() -> None:
    assert refusal("a@mailinator.com") == "disposable"
    assert refusal("a@sub.mailinator.com") == "disposable"
    spared = AddressSettings(not_disposable=frozenset({"mailinator.com"}))
    assert check_address("a@mailinator.com", spared).domain == "mailinator.com"
    assert check_address("a@mailinator.com", AddressSettings(refuse_disposable=False)).domain == "mailinator.com"
    assert not is_disposable("example.org")


def test_a_setting_that_is_no_domain_does_not_start() -> None:
    with pytest.raises(ValidationError, match="is not a domain"):
        AddressSettings(refused_domains=frozenset({"not a domain"}))


SECOND = timedelta(seconds=1)
Zone = Callable[[str, str], tuple[int, str | None]]


@asynccontextmanager
async def name_server(zone: Zone) -> AsyncIterator[dns.asyncresolver.Resolver]:
    """Serve a zone on loopback; `zone(name, kind)` gives the answer code and a record, or none."""

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            query = dns.message.from_wire(data)
            question = query.question[0]
            kind = dns.rdatatype.to_text(question.rdtype)
            code, record = zone(question.name.to_text(omit_final_dot=True), kind)
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.RA
            answer.set_rcode(dns.rcode.Rcode(code))
            if record is not None:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, record))
            self.transport.sendto(answer.to_wire(), addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    try:
        yield resolver
    finally:
        transport.close()


def records(**kinds: str) -> Zone:
    return lambda _name, kind: (0, kinds.get(kind))


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (records(MX="10 mail.example.org."), True),
        (records(MX="0 ."), False),  # RFC 7505
        (records(A="192.0.2.1"), True),  # RFC 5321, 5.1: the implicit MX
        (records(AAAA="2001:db8::1"), True),
        (records(), False),
        (lambda _name, _kind: (3, None), False),  # no such domain
        (lambda _name, _kind: (2, None), None),  # the server failed: unknown
        (lambda _name, _kind: (5, None), None),  # refused to answer: unknown
    ],
)
async def test_dns_says_whether_a_domain_takes_mail(zone: Zone, expected: bool | None) -> None:
    async with name_server(zone) as resolver:
        assert await has_mail_exchanger("example.org", SECOND, resolver=resolver) is expected


async def test_a_silent_name_server_is_unknown_within_the_timeout() -> None:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    resolver.port = transport.get_extra_info("sockname")[1]
    started = asyncio.get_running_loop().time()
    try:
        assert await has_mail_exchanger("example.org", timedelta(seconds=0.2), resolver=resolver) is None
    finally:
        transport.close()
    assert asyncio.get_running_loop().time() - started < 2


async def test_no_resolver_at_all_is_unknown() -> None:
    assert await has_mail_exchanger("example.org", SECOND, resolver=dns.asyncresolver.Resolver(configure=False)) is None
