"""Signing in elsewhere: from the button to the proof of who somebody is at their provider (R30)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlencode, urlsplit

from ostiary.core.errors import FieldError, InvalidFields
from ostiary.core.secrets import challenge_of
from ostiary.federation.errors import ElsewhereCancelled, ElsewhereRefused, NoSuchProvider, ProviderUnavailable
from ostiary.federation.examination import Finding, examine
from ostiary.federation.proof import Proof
from ostiary.federation.provider import TENANT
from ostiary.federation.transactions import Intent
from ostiary.federation.upstream import UpstreamFault, UpstreamRefusal
from ostiary.federation.who import Doubtful, by_github, by_id_token, client_secret, tokens_in
from ostiary.web.redirects import own_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ostiary.accounts import Account
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.federation.provider import Provider
    from ostiary.federation.registry import Providers
    from ostiary.federation.settings import FederationSettings
    from ostiary.federation.tokens import AccessToken, UpstreamTokens
    from ostiary.federation.transactions import Transaction, Transactions
    from ostiary.federation.upstream import Metadata, Upstream
    from ostiary.protection import Protection

LONGEST_CODE = 4096
HOME = "/auth/account"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider sends back by way of the browser (RFC 6749 section 4.1.2, RFC 9207)."""

    state: str
    code: str = ""
    iss: str | None = None
    error: str = ""

    def __repr__(self) -> str:
        return "Answer(…)"


class Federation:
    """Sends people to their providers, and looks at what they bring back.

    The states and what moves between them: docs/explanation/account-linking.md.
    """

    def __init__(
        self, database: Database, protection: Protection, providers: Providers, transactions: Transactions,
        upstream: Upstream, tokens: UpstreamTokens, public_url: str, settings: FederationSettings,
    ) -> None:  # fmt: skip
        self._database = database
        self._protection = protection
        self._upstream = upstream
        self._tokens = tokens
        self._public_url = public_url
        self._settings = settings
        self.providers = providers
        self.transactions = transactions

    async def place(self, caller: Caller, slug: str, asked: str | None) -> str:
        """Return where a sign-in may lead: a plain path of our own, or an address of the settings; empty for none.

        Raises:
            InvalidFields: What is asked for is neither: whoever wrote it wants people led astray.
        """
        if not asked or asked in self._settings.return_to:
            return asked or ""
        place = own_path(asked, "")
        if place:
            return place
        async with self._database.unit(caller) as unit:
            unit.note("identity.refused", provider=slug, reason="place")
            words = "This is no place that a sign-in may lead to; applications are listed in federation.return_to."
            raise InvalidFields(errors=(FieldError("next", words, "place"),))

    def callback_of(self, slug: str) -> str:
        """Return the address to which a provider sends people back; one each, against mix-up (RFC 9700 4.4.2.2)."""
        return f"{self._public_url}/accounts/{slug}/login/callback/"

    async def token(
        self, account: Account | str, provider: str, *, scopes: Iterable[str] = (), renew: bool = False
    ) -> AccessToken:
        """Return a token with which an application acts for somebody at a provider; renewed if it is about to run out.

        Of many that ask at once, in any number of processes, one renews it. Where scopes are missing, or the provider
        takes it no more, lead the person to connect again (`POST /api/v1/auth/federation/{provider}/link`, with
        `scopes`).

        Args:
            account: Whose, or its id.
            provider: By its name here.
            scopes: What it must allow.
            renew: Whether the provider has just refused the one that was handed out before.

        Raises:
            NoSuchConnection: Nothing is connected there, or nothing is kept of it (`keep_tokens`).
            ScopesMissing: It allows less; names what is missing.
            AccessEnded: The provider takes it no more.
            ProviderUnavailable: It could not be renewed just now.
        """
        return await self._tokens.hand_out(account, provider, tuple(scopes), renew=renew)

    async def examine(self, slug: str) -> list[Finding]:
        """Return what is to be said of a provider as it is set up, without anybody signing in.

        Raises:
            NoSuchProvider: There is none of this name.
        """
        provider = await self.providers.get(slug)
        return await examine(self._upstream, self._database.clock, provider, self.callback_of(slug))

    async def begin(self, caller: Caller, slug: str, browser: str, intent: Intent) -> str:
        """Return the address at the provider to send a browser to.

        Args:
            caller: Who asks.
            slug: Which provider.
            browser: Its id, from its cookie: only there the answer counts.
            intent: What for, and where to afterwards.

        Raises:
            NoSuchProvider: There is none of this name.
            LimitReached: Too many from here.
            ProviderUnavailable: Its document cannot be had.
        """
        provider = await self._known(caller, slug)
        await self._protection.admit_elsewhere(caller)
        try:
            metadata = await self._upstream.metadata(provider)
        except UpstreamFault as fault:
            await self._refuse(caller, provider, intent, fault.reason, ProviderUnavailable(retry_after=30))
        sent = await self.transactions.begin(caller, slug, browser, intent)
        asked = {
            "response_type": "code", "client_id": provider.client_id, "redirect_uri": self.callback_of(slug),
            "scope": " ".join(dict.fromkeys((*provider.scopes, *intent.scopes))), "state": sent.state,
            # S256 and never plain (RFC 9700 section 2.1.1).
            "code_challenge": challenge_of(sent.verifier), "code_challenge_method": "S256",
        }  # fmt: skip
        if provider.kind == "oidc":
            asked["nonce"] = sent.nonce
        asked |= dict(provider.extra)
        joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(asked)}"

    async def complete(self, caller: Caller, slug: str, answer: Answer, browser: str | None) -> Proof:
        """Return evidence of who somebody is at a provider. Whoever shows the same answer again gets nothing.

        Raises:
            NoSuchProvider: There is none of this name.
            ElsewhereRefused: The answer is forged, replayed, of another browser or provider, or badly signed.
            ElsewhereCancelled: The provider says no.
            ProviderUnavailable: The provider could not be asked.
        """
        provider = await self._known(caller, slug)
        transaction = await self.transactions.spend(caller, slug, answer.state, browser)
        try:
            metadata = await self._upstream.metadata(provider)
            _check(provider, metadata, answer)
            return await self._asked(provider, metadata, transaction, answer)
        except Doubtful as doubt:
            refusal = ElsewhereCancelled if doubt.reason == "cancelled" else ElsewhereRefused
            await self._refuse(caller, provider, transaction.intent, doubt.reason, refusal())
        except UpstreamRefusal as no:
            await self._refuse(caller, provider, transaction.intent, no.code, ElsewhereRefused())
        except UpstreamFault as fault:
            await self._refuse(caller, provider, transaction.intent, fault.reason, ProviderUnavailable(retry_after=30))

    async def _asked(self, provider: Provider, metadata: Metadata, transaction: Transaction, answer: Answer) -> Proof:
        now = self._database.clock.now()
        form = {
            "grant_type": "authorization_code", "code": answer.code, "redirect_uri": self.callback_of(provider.slug),
            "code_verifier": transaction.verifier,
        }  # fmt: skip
        told = await self._upstream.post(
            provider, metadata.token_endpoint, form, client_secret(provider, now), metadata.token_auth_methods
        )
        scopes = tuple(dict.fromkeys((*provider.scopes, *transaction.intent.scopes)))
        tokens = tokens_in(told, scopes)
        if provider.kind == "github":
            who = await by_github(self._upstream, provider, tokens)
        else:
            who = await by_id_token(self._upstream, provider, metadata, tokens, transaction.nonce, now)
        vouched = who.email is not None and provider.vouches(verified=who.email_verified)
        return Proof(transaction, provider, who, vouched, tokens)

    async def _known(self, caller: Caller, slug: str) -> Provider:
        """Return a provider that somebody wants to go to or comes from; of others the journal knows no name."""
        try:
            return await self.providers.get(slug)
        except NoSuchProvider:
            async with self._database.unit(caller) as unit:
                unit.note("identity.refused", provider="unknown", reason="no-such-provider")
                raise

    async def _refuse(
        self, caller: Caller, provider: Provider, intent: Intent, reason: str, problem: Exception
    ) -> NoReturn:
        async with self._database.unit(caller) as unit:
            unit.note("identity.refused", intent.account_id, provider=provider.slug, reason=reason)
            raise problem


def _check(provider: Provider, metadata: Metadata, answer: Answer) -> None:
    """See that an answer is this provider's and that it says yes.

    Raises:
        Doubtful: It is not, or does not.
    """
    # RFC 9207 section 2.4: compared wherever it is there, and missed where it was promised; on errors as well.
    is_owed = metadata.names_issuer
    if (answer.iss is None and is_owed) or (answer.iss is not None and not _is_own(provider, answer.iss)):
        raise Doubtful("iss-parameter")
    if answer.error:
        raise Doubtful("cancelled")
    if not 0 < len(answer.code) <= LONGEST_CODE:
        raise Doubtful("no-code")


def _is_own(provider: Provider, iss: str) -> bool:
    if provider.kind == "github":  # what its own metadata call it
        return iss in (provider.issuer, f"{provider.issuer}/login/oauth")
    # Of an issuer with a place for the tenant the token itself says which; here its beginning must do.
    return provider.is_issuer(iss) or (
        TENANT in provider.issuer and iss.startswith(provider.issuer.partition(TENANT)[0])
    )
