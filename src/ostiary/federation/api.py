"""Signing in elsewhere as JSON: which providers there are, the way to one, and what is connected.

Single-page applications ask for the way, and send the browser there; the provider sends it back to the house, which
sets the cookies of a session and leads to the place that was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Path
from pydantic import ConfigDict, Field

from ostiary.core.caller import Caller
from ostiary.core.clock import iso, iso_or_none
from ostiary.core.errors import FieldError, InvalidFields
from ostiary.federation.browser import browser_of, labels_of
from ostiary.federation.identities import Identities
from ostiary.federation.provider import SCOPE, ProviderSettings
from ostiary.federation.service import Federation
from ostiary.federation.transactions import Intent
from ostiary.web.answers import Answer, Done, Moment, refusals
from ostiary.web.doors import (
    KEEPER_PREFIX,
    AnyCaller,
    SignedInCaller,
    Strict,
    StrongCaller,
    TheEdge,
    TheVisit,
    api_router,
    keeper,
    service,
)

if TYPE_CHECKING:
    from ostiary.federation.examination import Finding
    from ostiary.federation.provider import Provider
    from ostiary.federation.queries import Access, Connection

router = api_router("federation")
keeping = api_router("keeping", KEEPER_PREFIX)

TheFederation = Annotated[Federation, service(Federation)]
TheIdentities = Annotated[Identities, service(Identities)]
ProviderPath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
ConnectionIdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]


class WayBody(Strict):
    """Where to lead afterwards: a path of the house, or one of `federation.return_to`; empty is the account."""

    next: str = Field("", max_length=2048)


class LinkBody(WayBody):
    """As for a sign-in, and what the provider shall allow besides."""

    scopes: list[str] = Field(default_factory=list, max_length=50)


class WayAnswer(Answer):
    """Where to send the browser that asked; the answer counts in that one alone, once."""

    authorization_url: str


class ProviderAnswer(Answer):
    """A provider that people may sign in at."""

    provider: str
    label: str


class ProviderList(Answer):
    """Every provider, by name."""

    providers: list[ProviderAnswer]


class ConnectionAnswer(Answer):
    """An identity elsewhere that opens the account, and what it lets applications do there."""

    id: str
    provider: str
    label: str
    name: str
    email: str | None
    email_verified: bool
    linked_at: Moment
    last_used_at: Moment | None
    scopes: list[str]
    access_ended: bool

    @classmethod
    def of(cls, connection: Connection, labels: dict[str, str], access: Access | None) -> ConnectionAnswer:
        """Return the owner's view of a connection."""
        return cls(
            id=connection.id, provider=connection.provider,
            label=labels.get(connection.provider, connection.provider), name=connection.name, email=connection.email,
            email_verified=bool(connection.email_verified), linked_at=iso(connection.linked_at),
            last_used_at=iso_or_none(connection.last_used_at), scopes=access.scopes.split() if access else [],
            access_ended=access is not None and access.ended_at is not None,
        )  # fmt: skip


class ConnectionList(Answer):
    """What is connected with the caller's account, the oldest first."""

    connections: list[ConnectionAnswer]


class KeptSettings(ProviderSettings):
    """What would stand in a provider's section of the settings; types are not bent, as they are there."""

    model_config = ConfigDict(extra="forbid", strict=True)

    scopes: tuple[str, ...] = Field((), strict=False, max_length=50)  # JSON knows lists
    hosts: tuple[str, ...] = Field((), strict=False, max_length=50)


class KeptProviderBody(Strict):
    """A provider's name, and what would stand in its section of the settings."""

    provider: str = Field(max_length=32, pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    settings: KeptSettings


class KeptProviderAnswer(Answer):
    """A provider as its keeper sees it; secrets are shown to nobody."""

    provider: str
    label: str
    origin: str
    issuer: str
    client_id: str
    scopes: list[str]
    hosts: list[str]
    addresses: str
    opens_accounts: bool
    callback: str

    @classmethod
    def of(cls, one: Provider, federation: Federation) -> KeptProviderAnswer:
        """Return the keeper's view of a provider."""
        return cls(
            provider=one.slug, label=one.label, origin=one.origin, issuer=one.issuer, client_id=one.client_id,
            scopes=list(one.scopes), hosts=sorted(one.hosts), addresses=one.addresses,
            opens_accounts=one.opens_accounts, callback=federation.callback_of(one.slug),
        )  # fmt: skip


class KeptProviderList(Answer):
    """Every provider, by name."""

    providers: list[KeptProviderAnswer]


class FindingAnswer(Answer):
    """One thing that was looked at; the verdict is `unknown` where nobody can say from here."""

    about: str
    verdict: Literal["good", "bad", "unknown"]
    words: str

    @classmethod
    def of(cls, finding: Finding) -> FindingAnswer:
        """Return a finding as its JSON shape."""
        return cls(about=finding.about, verdict=finding.verdict, words=finding.words)


class FindingList(Answer):
    """What is to be said of a provider, in the order in which it was looked at."""

    findings: list[FindingAnswer]


@router.get("/federation/providers", operation_id="listProviders", responses=refusals())
async def list_providers(federation: TheFederation) -> ProviderList:
    """List the providers that people may sign in at."""
    return ProviderList(
        providers=[ProviderAnswer(provider=slug, label=label) for slug, label in federation.providers.choices]
    )


@router.post(
    "/federation/{provider}/sign-in", operation_id="beginSignInElsewhere", responses=refusals(404, 429, body=True)
)
async def begin_sign_in(
    provider: ProviderPath,
    body: WayBody,
    federation: TheFederation,
    caller: AnyCaller,
    visit: TheVisit,
    edge: TheEdge,
) -> WayAnswer:
    """Return the way to a provider, and set the cookie that the answer has to come with."""
    intent = Intent("sign-in", await federation.place(caller, provider, body.next))
    return WayAnswer(
        authorization_url=await federation.begin(
            caller, provider, browser_of(federation.transactions, visit, edge.cookies), intent
        )
    )


@router.post("/federation/{provider}/link", operation_id="beginLink", responses=refusals(401, 404, 429, body=True))
async def begin_link(
    provider: ProviderPath,
    body: LinkBody,
    federation: TheFederation,
    caller: StrongCaller,
    visit: TheVisit,
    edge: TheEdge,
) -> WayAnswer:
    """Return the way to a provider, to connect what somebody is there; needs a sign-in of the last minutes."""
    place, scopes = await federation.place(caller, provider, body.next), _words(body.scopes)
    intent = Intent("link", place, caller.account_id, caller.session_id, scopes)
    return WayAnswer(
        authorization_url=await federation.begin(
            caller, provider, browser_of(federation.transactions, visit, edge.cookies), intent
        )
    )


@router.get("/connections", operation_id="listConnections", responses=refusals(401))
async def list_connections(
    federation: TheFederation, identities: TheIdentities, caller: SignedInCaller
) -> ConnectionList:
    """List what is connected with the caller's account."""
    labels = labels_of(federation.providers)
    held = await identities.listed(caller.account_id or "")
    access = await identities.access(caller.account_id or "")
    return ConnectionList(connections=[ConnectionAnswer.of(one, labels, access.get(one.id)) for one in held])


@router.delete("/connections/{connection_id}", operation_id="removeConnection", responses=refusals(401, 404, 409, 422))
async def remove_connection(
    connection_id: ConnectionIdPath,
    federation: TheFederation,
    identities: TheIdentities,
    caller: StrongCaller,
) -> Done:
    """Disconnect one of the caller's identities; never the last way into the account."""
    await identities.unlink(caller, connection_id, labels_of(federation.providers))
    return Done(detail="It is disconnected.")


@keeping.get("/providers", operation_id="listKeptProviders", responses=refusals(401))
async def list_kept_providers(
    federation: TheFederation, _: Annotated[Caller, keeper("providers:read")]
) -> KeptProviderList:
    """List every provider as it is set up, without its secrets."""
    return KeptProviderList(
        providers=[KeptProviderAnswer.of(one, federation) for one in await federation.providers.every()]
    )


@keeping.post("/providers", operation_id="keepProvider", responses=refusals(401, 409, body=True))
async def keep_provider(
    body: KeptProviderBody, federation: TheFederation, caller: Annotated[Caller, keeper("providers:write")]
) -> KeptProviderAnswer:
    """Set a provider up, or set it up anew; whatever is left out is as if it had never been said."""
    kept = await federation.providers.keep(caller, body.provider, body.settings)
    return KeptProviderAnswer.of(kept, federation)


@keeping.post("/providers/{provider}/test", operation_id="testProvider", responses=refusals(401, 404, 422))
async def look_at_provider(
    provider: ProviderPath, federation: TheFederation, _: Annotated[Caller, keeper("providers:write")]
) -> FindingList:
    """Look at document, clock, keys, redirect address and secret of a provider, and say what to do."""
    findings = await federation.examine(provider)
    return FindingList(
        findings=[FindingAnswer(about=one.about, verdict=one.verdict, words=one.words) for one in findings]
    )


@keeping.delete("/providers/{provider}", operation_id="removeProvider", responses=refusals(401, 404, 409, 422))
async def remove_provider(
    provider: ProviderPath, federation: TheFederation, caller: Annotated[Caller, keeper("providers:write")]
) -> Done:
    """Let nobody sign in at a provider any more; connections stay, for when it is set up again."""
    await federation.providers.remove(caller, provider)
    return Done(detail="It is removed.")


def _words(scopes: list[str]) -> tuple[str, ...]:
    if not all(SCOPE.fullmatch(scope) for scope in scopes):
        raise InvalidFields(errors=(FieldError("scopes", "A scope is one word, without spaces.", "scope"),))
    return tuple(scopes)
