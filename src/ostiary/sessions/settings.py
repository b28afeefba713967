"""How long anybody stays signed in, and how that is carried."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SessionSettings(BaseModel):
    """Lifetimes of sessions and tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    access_lifetime: timedelta = Field(
        timedelta(minutes=15), gt=timedelta(0), le=timedelta(minutes=55),
        description="How long an access token is good; its retired signing key is kept for an hour.",
    )  # fmt: skip
    idle_lifetime: timedelta = Field(
        timedelta(days=7), gt=timedelta(0), le=timedelta(days=30),
        description="A session unused for so long ends; the retired keys of its tokens are kept a day longer.",
    )  # fmt: skip
    lifetime: timedelta = Field(
        timedelta(days=30), description="A session ends after so long however much it is used (SP 800-63B AAL1)."
    )
    refresh_grace: timedelta = Field(
        timedelta(seconds=10),
        description="How long the last refresh token still yields the same successor to a racing tab; 0 is never.",
    )
    device_bound: Literal["off", "offered"] = Field(
        "offered",
        description="Whether browsers that can keep a key are offered to bind a session to it (DBSC): a stolen cookie "
        "then dies within minutes. `off` lets sessions go on unbound that were bound before.",
    )
    device_bound_lifetime: timedelta = Field(
        timedelta(minutes=10), ge=timedelta(minutes=5), le=timedelta(minutes=15),
        description="How long a bound session goes on between two proofs; browsers allow themselves few in a minute.",
    )  # fmt: skip
    audience: str | None = Field(None, description="`aud` of access tokens; default is the issuer.")
    client_id: str = Field("ostiary", description="`client_id` of tokens for the house's own pages and API.")
    legacy_claims: bool = Field(default=False, description="Add `user_id` and `token_type` for older consumers.")
    sockets_per_account: int = Field(
        100, ge=1, description="WebSockets of one account that a process holds open at most."
    )
    status_claim: bool = Field(
        default=False,
        description="Whether access tokens name their place in a status list (Token Status List), for verifiers that "
        "ask now and then and do not listen; 120 bytes of a token, for sessions that begin from then on.",
    )
    socket_query_token: bool = Field(
        default=False,
        description="Whether a WebSocket may show an access token as `?access_token=`: URLs end up in logs, so that a "
        "single-use ticket is the better way.",
    )
