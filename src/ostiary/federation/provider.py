"""A provider as it is used: settings and preset put together, and where the house may go on its account."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

Vouching = Literal["never", "verified", "always"]

TENANT = "{tenantid}"
"""Stands in Microsoft's issuer where any directory may sign in; the token's `tid` takes its place."""

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ANY_TENANT = "common"
_CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"


SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,200}")
"""One scope (RFC 6749 appendix A.4)."""

SLUG = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class ProviderSettings(BaseModel):
    """One provider; the name of its section is its name in paths."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Literal["google", "github", "microsoft", "apple", "gitlab"] | None = Field(
        None, description="Fills in what follows. A provider that is named like a preset has it; others none."
    )
    label: str = Field("", max_length=40, description="Name on the button; default the preset's, or the name.")
    issuer: str = Field(
        "",
        max_length=512,
        description="Issuer of an OpenID provider, exactly as it writes it; GitHub Enterprise's URL.",
    )
    client_id: str = Field("", max_length=512, description="What the provider calls this house.")
    client_secret: str = Field(
        "", max_length=4096, repr=False, description="What the house shows the provider; by environment or command."
    )
    client_authentication: Literal["auto", "basic", "post", "none"] = Field(
        "auto", description="How the secret is shown; `auto` is as the provider's own document says."
    )
    scopes: tuple[str, ...] = Field((), description="Asked for at each sign-in besides what signing in needs.")
    hosts: tuple[str, ...] = Field(
        (), description="Hosts, besides the issuer's own, that its document may send the house to."
    )
    addresses: Literal["never", "verified", "always"] | None = Field(
        None,
        description="Whose addresses are taken for proven: nobody's, those that it calls verified, or every one "
        "(a directory of your own). Default the preset's, else `never`.",
    )
    opens_accounts: bool = Field(
        default=True, description="Whether somebody unknown gets an account; else only connected ones sign in."
    )
    keep_tokens: bool = Field(
        default=False, description="Whether what the provider gives is kept, so that applications can act for people."
    )
    tenant: str = Field(
        "", max_length=64, pattern=r"^[A-Za-z0-9.-]*$",
        description="Microsoft: the directory's id; `common` and `consumers` let everybody in.",
    )  # fmt: skip
    team_id: str = Field("", max_length=32, pattern=r"^[A-Z0-9]*$", description="Apple: the team's id.")
    key_id: str = Field("", max_length=32, pattern=r"^[A-Z0-9]*$", description="Apple: the id of the private key.")
    private_key: str = Field(
        "", max_length=4096, repr=False, description="Apple: the private key (PEM), instead of a client secret."
    )


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of a provider beforehand."""

    label: str
    issuer: str
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    hosts: tuple[str, ...] = ()
    addresses: Vouching = "verified"
    extra: tuple[tuple[str, str], ...] = ()
    offline: tuple[tuple[str, str], ...] = ()


PRESETS = {
    "google": Preset(
        "Google", "https://accounts.google.com",
        hosts=("oauth2.googleapis.com", "www.googleapis.com", "openidconnect.googleapis.com"),
        offline=(("access_type", "offline"),),  # or it gives nothing to renew a token with
    ),
    # No OpenID provider: who somebody is, its REST API says.
    "github": Preset("GitHub", "https://github.com", scopes=("read:user", "user:email"), hosts=("api.github.com",)),
    # Anybody can write any address into a directory of their own.
    "microsoft": Preset("Microsoft", "https://login.microsoftonline.com/", hosts=("graph.microsoft.com",),
                        addresses="never"),
    # With scopes it answers by a form from elsewhere; the callback takes that, too.
    "apple": Preset("Apple", "https://appleid.apple.com", scopes=("openid", "email"),
                    extra=(("response_mode", "form_post"),)),
    "gitlab": Preset("GitLab", "https://gitlab.com"),
}  # fmt: skip
NONE = Preset("", "", addresses="never")


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider, ready for use.

    Attributes:
        slug: Its name in paths.
        kind: Which protocol says who somebody is.
        issuer: What `iss` must be, compared exactly (RFC 8414 section 3.3); may hold `TENANT`.
        scopes: Asked for at each sign-in.
        hosts: Where requests of the house, and browsers, are sent on its account; nowhere else.
        addresses: When its word on an address is taken.
        extra: Parameters of its own for the authorization request.
        origin: Where the configuration comes from.
    """

    slug: str
    label: str
    kind: Literal["oidc", "github"]
    preset: str | None
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    client_authentication: Literal["auto", "basic", "post", "none"]
    scopes: tuple[str, ...]
    hosts: frozenset[str]
    addresses: Vouching
    opens_accounts: bool
    keep_tokens: bool
    extra: tuple[tuple[str, str], ...]
    team_id: str
    key_id: str
    private_key: str = field(repr=False)
    origin: Literal["settings", "database"] = "settings"

    @property
    def document(self) -> str:
        """Where it says where everything is (OpenID Connect Discovery 1.0 section 4)."""
        return f"{self.issuer.replace(TENANT, _ANY_TENANT).rstrip('/')}/.well-known/openid-configuration"

    def leads_to(self, url: object) -> bool:
        """Return whether a URL is one that this provider's document may name: of its hosts, and by https.

        Plain http is for development, where the issuer itself is; the house's own requests go there only into
        `outbound.allowed_networks`.
        """
        if (
            not isinstance(url, str)
            or len(url) > 2048
            or not url.isascii()
            or any(c <= " " or c in '\\"<>' for c in url)
        ):
            return False
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        schemes = {"https", urlsplit(self.issuer).scheme}
        return parts.scheme in schemes and parts.netloc in self.hosts and not parts.fragment

    def is_issuer(self, shown: object, tenant: object = None) -> bool:
        """Return whether an `iss` is this provider's, compared exactly; `tenant` is the token's own `tid`."""
        if TENANT not in self.issuer:
            return shown == self.issuer
        if not isinstance(tenant, str) or not _GUID.fullmatch(tenant):
            return False
        return shown == self.issuer.replace(TENANT, tenant)

    def vouches(self, *, verified: bool) -> bool:
        """Return whether its word on somebody's address is taken for proof."""
        return self.addresses == "always" or (self.addresses == "verified" and verified)


def resolve(slug: str, told: ProviderSettings, origin: Literal["settings", "database"] = "settings") -> Provider:
    """Return a provider as its settings and its preset say.

    Raises:
        ValueError: Something is missing, or does not fit; says what.
    """
    if not SLUG.fullmatch(slug):
        raise ValueError(f"{slug!r} is no name for a provider: small letters, digits, - and _, at most 32")
    name = told.preset or (slug if slug in PRESETS else None)
    preset = PRESETS[name] if name else NONE
    issuer = _issuer_of(slug, name, told, preset)
    if not told.client_id:
        raise ValueError(f"{slug}: client_id is missing; the provider shows it where this house is registered")
    _check_secret(slug, name, told)
    hosts = {urlsplit(issuer).netloc, *told.hosts, *(preset.hosts if not told.issuer else ())}
    for host in told.hosts:
        if not re.fullmatch(r"[a-z0-9.-]+(:[0-9]{1,5})?", host):
            raise ValueError(f"{slug}: hosts are names such as login.example.org, without https://")
    for scope in told.scopes:
        if not SCOPE.fullmatch(scope):
            raise ValueError(f"{slug}: a scope is one word, without spaces")
    return Provider(
        slug=slug, label=told.label or preset.label or slug.replace("_", " ").replace("-", " ").title(),
        kind="github" if name == "github" else "oidc", preset=name, issuer=issuer, client_id=told.client_id,
        client_secret=told.client_secret, client_authentication=told.client_authentication,
        scopes=tuple(dict.fromkeys((*(preset.scopes), *told.scopes))), hosts=frozenset(hosts),
        addresses=told.addresses or (preset.addresses if not told.issuer or not name else "never"),
        opens_accounts=told.opens_accounts, keep_tokens=told.keep_tokens,
        extra=(*preset.extra, *(preset.offline if told.keep_tokens else ())),
        team_id=told.team_id, key_id=told.key_id,
        private_key=told.private_key, origin=origin,
    )  # fmt: skip


def _issuer_of(slug: str, name: str | None, told: ProviderSettings, preset: Preset) -> str:
    issuer = told.issuer or preset.issuer
    if name == "microsoft" and not told.issuer:
        tenant = told.tenant.lower()
        if not tenant:
            raise ValueError(f"{slug}: tenant is missing: your directory's id, or `common` for everybody")
        place = TENANT if tenant == _ANY_TENANT else _CONSUMERS if tenant == "consumers" else tenant
        issuer = f"{preset.issuer}{place}/v2.0"
    parts = urlsplit(issuer)
    plain = issuer.isascii() and not any(c <= " " or c in '\\"<>' for c in issuer)
    if not plain or parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{slug}: issuer must be the provider's own, such as https://login.example.org")
    if "@" in parts.netloc:
        raise ValueError(f"{slug}: issuer holds no login")
    return issuer.rstrip("/") if name == "github" else issuer


def _check_secret(slug: str, name: str | None, told: ProviderSettings) -> None:
    if name == "apple" and not told.client_secret:
        if not (told.team_id and told.key_id and told.private_key):
            raise ValueError(f"{slug}: Apple needs team_id, key_id and private_key")
    elif not told.client_secret and told.client_authentication != "none":
        raise ValueError(f"{slug}: client_secret is missing; a client without one says client_authentication = none")
