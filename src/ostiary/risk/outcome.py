"""Recorded sign-ins, judged anew by another policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ostiary.core.clock import Millis
from ostiary.risk.verdict import ACTIONS, Action, Assessment, assess

if TYPE_CHECKING:
    from ostiary.risk.records import Progress, Recorded, Records
    from ostiary.risk.settings import Policy

EXAMPLES = 3
STOPS: frozenset[Action] = frozenset({"challenge", "deny"})


class Example(msgspec.Struct, frozen=True):
    """One sign-in whose verdict would change."""

    place: str
    account_id: str | None
    score: int
    reasons: tuple[str, ...]


class Outcome(msgspec.Struct):
    """What another policy would have done.

    Attributes:
        policy: Fingerprint of the policy that was tried.
        signins: How many were judged anew.
        erased: Left out, for the account is erased.
        unreadable: Left out, for another version wrote the facts.
        table: How many of each verdict would have got which.
        examples: The newest few of each change, by `was>becomes`.
        refused_by_mistake: Accepted, never disowned, and now denied.
        challenged_by_mistake: The same, and now challenged though they were not before.
        disowned: Accepted on an unknown browser, and disowned by their owners within a week.
        disowned_stopped: Of these, how many would be challenged or denied.
    """

    policy: str
    signins: int = 0
    erased: int = 0
    unreadable: int = 0
    table: dict[str, dict[str, int]] = msgspec.field(
        default_factory=lambda: {was: dict.fromkeys(ACTIONS, 0) for was in ACTIONS}
    )
    examples: dict[str, list[Example]] = msgspec.field(default_factory=dict)
    refused_by_mistake: int = 0
    challenged_by_mistake: int = 0
    disowned: int = 0
    disowned_stopped: int = 0


async def replay(
    records: Records, policy: Policy, *, since: Millis = 0, account_id: str | None = None,
    progress: Progress | None = None,
) -> Outcome:  # fmt: skip
    """Judge recorded sign-ins by a policy; in memory stay counts, a few examples, and who disowned what.

    Args:
        records: Where they are read.
        policy: To be tried.
        since: From this moment on.
        account_id: Only this account's.
        progress: Called with the number of entries read so far.
    """
    named = policy.fingerprint()
    outcome = Outcome(named)
    disowned = await records.disowned(since, account_id)
    async for recorded in records.all(since, account_id, progress):
        if recorded.facts is None:
            outcome.erased += recorded.is_erased
            outcome.unreadable += not recorded.is_erased
            continue
        anew = assess(recorded.facts, policy, named=named)
        _count(outcome, recorded, anew, is_disowned=recorded.is_among(disowned))
    return outcome


def _count(outcome: Outcome, recorded: Recorded, anew: Assessment, *, is_disowned: bool) -> None:
    was, becomes = recorded.verdict.action, anew.action
    outcome.signins += 1
    outcome.table[was][becomes] += 1
    if was != becomes:
        examples = outcome.examples.setdefault(f"{was}>{becomes}", [])
        if len(examples) < EXAMPLES:
            words = tuple(reason.words for reason in anew.reasons)
            examples.append(Example(recorded.place, recorded.account_id, anew.score, words))
    if not recorded.was_accepted:
        return
    if is_disowned:
        outcome.disowned += 1
        outcome.disowned_stopped += becomes in STOPS
    else:
        outcome.refused_by_mistake += becomes == "deny"
        outcome.challenged_by_mistake += becomes == "challenge" and was not in STOPS
