"""How long and how often each thing is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds are whole, as wrk takes them.

    Attributes:
        rounds: How often A and B take turns; medians are of so many.
        window: Seconds of each turn for requests that take microseconds.
        hashing: Seconds of each turn in which passwords are hashed.
        hashing_rounds: Turns of those.
        floods: Turns of a flood of sign-ins.
        flood: Seconds of each.
        starts: Cold starts.
        revocations: Sessions that are ended and looked for elsewhere.
        sockets: WebSockets that are open at the same time.
        sessions: Rows of the large table of sessions.
    """

    rounds: int
    window: int
    hashing: int
    hashing_rounds: int
    floods: int
    flood: int
    starts: int
    revocations: int
    sockets: int
    sessions: int


QUICK = Plan(
    rounds=2,
    window=1,
    hashing=2,
    hashing_rounds=2,
    floods=1,
    flood=4,
    starts=3,
    revocations=10,
    sockets=500,
    sessions=100_000,
)
FULL = Plan(
    rounds=7,
    window=2,
    hashing=4,
    hashing_rounds=5,
    floods=3,
    flood=10,
    starts=9,
    revocations=100,
    sockets=2000,
    sessions=1_000_000,
)
