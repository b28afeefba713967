"""What a mail address may be, and when two of them are one mailbox (R2)."""

from __future__ import annotations

import asyncio
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ostiary.core.errors import FieldError, InvalidFields

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.resolver
    import email_validator


class AddressSettings(BaseModel):
    """Which addresses this house takes in. A domain stands for its subdomains too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed_domains: frozenset[str] = Field(default=frozenset(), description="If any, only these may register.")
    refused_domains: frozenset[str] = Field(default=frozenset(), description="Refused, whatever else is said.")
    refuse_disposable: bool = Field(default=True, description="Refuse the throw-away domains of the built-in list.")
    not_disposable: frozenset[str] = Field(default=frozenset(), description="Domains that the list names wrongly.")
    check_mx: bool = Field(default=False, description="Ask DNS whether the domain takes mail; no answer, no refusal.")
    mx_timeout: timedelta = Field(
        default=timedelta(seconds=3), gt=timedelta(0), le=timedelta(seconds=30), description="How long to wait for DNS."
    )

    @field_validator("allowed_domains", "refused_domains", "not_disposable")
    @classmethod
    def _in_ascii(cls, domains: frozenset[str]) -> frozenset[str]:
        return frozenset(_domain_in_ascii(domain) for domain in domains)


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """An address that passed.

    Attributes:
        shown: Normalised, to show and to send to: mail goes to this and never
            to what a later request says (CVE-2019-19844).
        key: Equal for spellings of one mailbox; what a lookup compares.
        domain: The domain in ASCII (A-labels), lower case.
        ascii: For servers without SMTPUTF8; None if the local part needs it.
    """

    shown: str
    key: str
    domain: str
    ascii: str | None

    def __repr__(self) -> str:
        return f"Address({masked(self)})"  # personal data stays out of logs and tracebacks


def parse_address(text: str, *, field: str = "email") -> Address:
    """Return the address that this text is; asks nobody.

    Takes RFC 5321 dot-atoms, RFC 6531 local parts and IDNA 2008 domains. No
    quoted local part, comment, display name, IP literal or reserved domain:
    nobody signs up with one, and each has made two parsers disagree about who
    gets the mail.

    Raises:
        InvalidFields: In words that do not repeat the address.
    """
    text = text.strip(" ")
    if not text:
        _refuse(field, "missing", "Please enter your address.")
    if len(text) > 254:
        _refuse(field, "too-long", "This address is too long. Mail servers take 254 characters.")
    if not all(character.isprintable() for character in text) or any(character.isspace() for character in text):
        _refuse(field, "characters", "An address has no spaces, line breaks or invisible characters.")
    if "@" not in text:
        _refuse(field, "invalid", "An address has an @ between the name and the domain.")
    parsed = _parsed(text)
    if parsed is None:
        _refuse(field, "invalid", "This does not look like a mail address that can receive mail.")
    _check_local_part(text.rpartition("@")[0], field)
    return Address(
        shown=parsed.normalized,
        key=f"{_fold_local(parsed.local_part)}@{parsed.ascii_domain.lower()}",
        domain=parsed.ascii_domain.lower(),
        ascii=parsed.ascii_email,
    )


def check_address(text: str, settings: AddressSettings, *, field: str = "email") -> Address:
    """Return the address that this text is, if this house takes it in.

    Raises:
        InvalidFields: Not an address, or of a domain that is refused.
    """
    address = parse_address(text, field=field)
    parents = _parents(address.domain)
    if settings.refused_domains & parents or (settings.allowed_domains and not settings.allowed_domains & parents):
        _refuse(field, "domain-refused", "Addresses of this domain cannot be used here.")
    if settings.refuse_disposable and is_disposable(address.domain) and not settings.not_disposable & parents:
        _refuse(field, "disposable", "Please use an address that will still be yours next year.")
    return address


def find_address_key(text: str) -> str | None:
    """Return the key of an address for a lookup, or None if it is no address."""
    try:
        return parse_address(text).key
    except InvalidFields:
        return None


def is_disposable(domain: str) -> bool:
    """Tell whether a domain (ASCII, lower case) or a parent is on the package's list."""
    return not _disposable_domains().isdisjoint(_parents(domain))


async def has_mail_exchanger(
    domain: str,
    timeout: timedelta,  # noqa: ASYNC109 - the resolver shares it out among its tries
    *,
    resolver: dns.asyncresolver.Resolver | None = None,
) -> bool | None:
    """Tell whether a domain takes mail (RFC 5321, section 5.1).

    Without MX records its own address stands in. A null MX (RFC 7505) says no.

    Returns:
        None if DNS cannot tell within the timeout: a reason to go on, never to refuse.
    """
    import dns.asyncresolver  # noqa: PLC0415 - only for houses that switch the check on
    import dns.exception  # noqa: PLC0415

    try:
        resolver = resolver or dns.asyncresolver.get_default_resolver()
        async with asyncio.timeout(timeout.total_seconds()):
            return await _takes_mail(domain, resolver, timeout.total_seconds())
    except (dns.exception.DNSException, OSError, TimeoutError, ValueError):
        return None


def masked(address: Address | str) -> str:
    """Return enough of an address for its owner to know it: `m…@example.org`."""
    shown = address if isinstance(address, str) else address.shown
    local, at, domain = shown.rpartition("@")
    return f"{local[:1]}…@{domain}" if at and local else "…"


def _refuse(field: str, code: str, message: str) -> NoReturn:
    raise InvalidFields(errors=(FieldError(field, message, code),))


def _parsed(text: str) -> email_validator.ValidatedEmail | None:
    import email_validator  # noqa: PLC0415 - its tables cost 20 ms that only who parses an address should pay

    try:
        return email_validator.validate_email(text, check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError:
        return None  # not raised on, not chained: the library's words and frames repeat parts of the address


def _check_local_part(local: str, field: str) -> None:
    """Refuse local parts that turn into others by normalisation (UTS #39, section 3.3).

    The Kelvin sign becomes K, a ligature becomes two letters: whoever folds
    more than we do would deliver one person's mail to another.
    """
    composed = unicodedata.normalize("NFC", local)
    turns_ascii = any(not c.isascii() and unicodedata.normalize("NFC", c).isascii() for c in local)
    if turns_ascii or unicodedata.normalize("NFKC", local) != composed:
        _refuse(field, "look-alike", "Some letters are special forms of others. Please use the ordinary letters.")
    if len(composed.encode()) > 64:  # RFC 5321, 4.5.3.1.1 counts octets
        _refuse(field, "too-long", "The part before the @ is too long. Mail servers take 64 characters.")


_SMALL = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def _fold_local(local: str) -> str:
    """Return the local part with A to Z made small, and nothing else.

    RFC 5321 would let Mira@ and mira@ be two people; no mail host does that,
    and treating them as two would give one person two accounts. Other letters
    keep their case: their folding differs between languages and programs (the
    Turkish i of CVE-2019-19844), so it could join two mailboxes.
    """
    return local.translate(_SMALL)


def _domain_in_ascii(domain: str) -> str:
    try:
        return parse_address(f"a@{domain.strip().lstrip('@').rstrip('.')}").domain
    except InvalidFields:
        message = f"{domain!r} is not a domain; write it like example.org"
        raise ValueError(message) from None


def _parents(domain: str) -> frozenset[str]:
    """Return a domain and its parents down to the top: a.b.org, b.org, org."""
    labels = domain.split(".")
    return frozenset(".".join(labels[start:]) for start in range(len(labels)))


@cache
def _disposable_domains() -> frozenset[str]:
    from disposable_email_domains import blocklist  # noqa: PLC0415 - 10 000 names, 20 ms

    return frozenset(blocklist)


async def _takes_mail(domain: str, resolver: dns.asyncresolver.Resolver, seconds: float) -> bool:
    import dns.resolver  # noqa: PLC0415

    for kind in ("MX", "A", "AAAA"):
        try:
            found = await resolver.resolve(domain, kind, lifetime=seconds, search=False)
        except dns.resolver.NoAnswer:
            continue
        except dns.resolver.NXDOMAIN:
            return False
        return kind != "MX" or not _is_null_mx(found)
    return False


def _is_null_mx(answer: dns.resolver.Answer) -> bool:
    """Tell whether the domain says that it takes no mail: `MX 0 .` alone (RFC 7505)."""
    return [record.exchange.to_text() for record in answer] == ["."]
