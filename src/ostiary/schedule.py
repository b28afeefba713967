"""What the house does by itself, and how often."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ostiary.core.caller import HOUSE
from ostiary.protection import BEAT

if TYPE_CHECKING:
    from ostiary.rooms import Rooms


def schedule(house: Rooms) -> None:
    """Have every part looked after, by whichever process works."""
    every = house.outbox.every
    every(timedelta(minutes=5), "keys", lambda: house.keys.tend(HOUSE))
    every(timedelta(minutes=5), "checkpoints", lambda: house.checkpoints.tend(HOUSE))
    every(timedelta(hours=6), "retention", lambda: house.retention.tend(HOUSE))
    every(timedelta(minutes=10), "lapse", lambda: house.accounts.lapse(HOUSE))
    every(timedelta(minutes=10), "erasures", lambda: house.privacy.tend(HOUSE))
    every(timedelta(minutes=10), "signals", house.signals.prune)
    every(timedelta(minutes=10), "one-time tokens", lambda: house.onetime.prune(house.database))
    every(timedelta(minutes=10), "passkey challenges", house.passkeys.prune)
    every(timedelta(minutes=10), "authenticator enrolments", house.totp.prune)
    every(timedelta(minutes=10), "sign-ins elsewhere", house.federation.transactions.prune)
    every(timedelta(minutes=1), "providers", house.providers.reload)
    every(timedelta(minutes=10), "sign-in links", house.magic_links.prune)
    every(timedelta(minutes=10), "text codes", house.texts.prune)
    every(timedelta(hours=6), "remembered browsers", house.browsers.prune)
    every(timedelta(minutes=1), "uses of API keys", house.api_key_guard.settle)
    every(timedelta(minutes=1), "guesses at API keys", house.api_key_guard.prune)
    every(timedelta(hours=6), "API keys", house.api_keys.prune)
    every(timedelta(hours=6), "roles", house.roles.prune)
    every(timedelta(minutes=1), "places", house.places.renew)
    every(timedelta(minutes=1), "counters", house.protection.prune)
    every(BEAT, "presence", house.presence.beat)
    every(timedelta(hours=6), "sessions", house.sessions.prune)
    every(timedelta(minutes=5), "bad networks", house.risk.tend)
    every(timedelta(hours=6), "alerts", house.alerts.prune)
