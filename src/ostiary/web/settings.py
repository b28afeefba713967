"""How the house meets the web."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}|[0-9a-f:.]*:[0-9a-f:.]*")
_DOMAIN = re.compile(r"(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}")
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, as browsers write an origin (RFC 6454)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, {"https": 443, "http": 80}.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}".lower()


def is_loopback(host: str | None) -> bool:
    """Return whether a host name can only be this machine."""
    return host is not None and (host in LOOPBACK_HOSTS or host.endswith(".localhost"))


class CookieSettings(BaseModel):
    """Names and scope of cookies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    access: str = Field("access_token", pattern=r"^[A-Za-z0-9_]{1,40}$", description="Name of the access cookie.")
    refresh: str = Field("refresh_token", pattern=r"^[A-Za-z0-9_]{1,40}$", description="Name of the refresh cookie.")
    session: str = Field("sessionid", pattern=r"^[A-Za-z0-9_]{1,40}$", description="Name of the hosted pages' cookie.")
    csrf: str = Field("csrftoken", pattern=r"^[A-Za-z0-9_]{1,40}$", description="Name of the cookie that scripts read.")
    device: str = Field("device", pattern=r"^[A-Za-z0-9_]{1,40}$", description="Name of the known browser's cookie.")
    passkey: str = Field(
        "passkey", pattern=r"^[A-Za-z0-9_]{1,40}$",
        description="Name of the cookie that binds a passkey's challenge to a browser.",
    )  # fmt: skip
    link: str = Field(
        "signin_link", pattern=r"^[A-Za-z0-9_]{1,40}$",
        description="Name of the cookie that tells the browser which asked for a sign-in link.",
    )  # fmt: skip
    bound: str = Field(
        "bound", pattern=r"^[A-Za-z0-9_]{1,40}$",
        description="Name of the cookie by which a session goes on at its device; the session's id follows.",
    )  # fmt: skip
    federation: str = Field(
        "federation", pattern=r"^[A-Za-z0-9_]{1,40}$",
        description="Name of the cookie that binds a sign-in elsewhere to a browser.",
    )  # fmt: skip
    domain: str | None = Field(
        None, description="Share cookies with sub-domains; gives up the protection of the `__Host-` prefix."
    )
    device_lifetime: timedelta = Field(timedelta(days=365), description="How long a browser counts as known.")

    @field_validator("domain")
    @classmethod
    def _is_a_domain(cls, domain: str | None) -> str | None:
        if domain is not None and not _DOMAIN.fullmatch(domain):
            raise ValueError("must be a domain of your own in lower case, such as example.org")
        return domain

    @model_validator(mode="after")
    def _have_names_of_their_own(self) -> Self:
        names = {
            self.access, self.refresh, self.session, self.csrf, self.device, self.passkey, self.link, self.bound,
            self.federation,
        }  # fmt: skip
        if len(names) < 9:
            raise ValueError("two cookies have one name: give each kind a different one")
        return self


class WebSettings(BaseModel):
    """Origin, proxies, cross-origin callers and bounds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    public_url: str = Field(
        "http://localhost:8080",
        description="Where people reach the house, such as `https://login.example.org`; links in mails begin with it.",
    )
    product_name: str = Field("Ostiary", min_length=1, max_length=60, description="The name that pages and mails show.")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Networks whose forwarding headers are believed; default none (D6)."
    )
    forwarding_header: Literal["x-forwarded-for", "forwarded"] = Field(
        "x-forwarded-for", description="The one header that the trusted proxies write."
    )
    cors_origins: tuple[str, ...] = Field((), description="Exact origins that may call the API with credentials.")
    https_redirect: bool = Field(default=False, description="Send plain http page requests to https.")
    keeper_max_age: timedelta = Field(
        timedelta(hours=1), gt=timedelta(0),
        description="How old the sign-in of a keeper may be who uses the house's own keeper routes (RFC 9470).",
    )  # fmt: skip
    cookies: CookieSettings = Field(default_factory=CookieSettings, description="Names and scope of cookies.")
    largest_body: int = Field(64 * 1024, ge=1024, le=1024 * 1024, description="Bytes of a request body at most.")
    largest_headers: int = Field(16 * 1024, ge=4096, le=64 * 1024, description="Bytes of request headers at most.")

    @field_validator("public_url")
    @classmethod
    def _is_secure_origin(cls, url: str) -> str:
        parts = urlsplit(url)
        if not _HOST.fullmatch(parts.hostname or ""):
            raise ValueError("must name one host, such as https://login.example.org (an IDN as xn--…)")
        if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("give scheme, host and port only, such as https://login.example.org")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with https://")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("must be https: browsers keep no sign-in cookies on plain http, except on localhost")
        return origin_of(url)

    @field_validator("cors_origins")
    @classmethod
    def _are_exact(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if "*" in origin or origin == "null":
                raise ValueError("with credentials only exact origins are safe: list each, without *")
            if parts.scheme not in ("http", "https") or not parts.hostname or origin_of(origin) != origin:
                raise ValueError("each must look like https://app.example.org, in lower case, without a path")
            if parts.scheme == "http" and not is_loopback(parts.hostname):
                raise ValueError("each must be https, except on localhost")
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for text in networks:
            try:
                network: IPv4Network | IPv6Network = ip_network(text)
            except ValueError:
                raise ValueError("each must be a network such as 10.0.0.0/24 or ::1/128") from None
            if network.version == 6 and network.network_address.ipv4_mapped is not None:
                raise ValueError("write a network of mapped addresses as the IPv4 network that it is")
            if network.prefixlen < (8 if network.version == 4 else 16):
                raise ValueError("trusting (almost) everybody lets anybody forge addresses: name the proxies' networks")
        return networks

    @model_validator(mode="after")
    def _cookies_are_for_this_house(self) -> Self:
        host, domain = urlsplit(self.public_url).hostname, self.cookies.domain
        if domain is not None and host != domain and not (host or "").endswith(f".{domain}"):
            raise ValueError(f"cookies.domain must be the host of public_url ({host}) or a domain above it")
        return self

    @property
    def is_https(self) -> bool:
        """Whether people reach the house by https."""
        return self.public_url.startswith("https://")
