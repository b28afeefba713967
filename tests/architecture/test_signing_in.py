"""Every way to a session is known and written down (ASVS 6.1.3): docs/explanation/sessions.md."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import ROOT, modules, owner_of

STARTERS = {
    "login.entrance.Entrance.start": "every proof that the account asks for was shown, or a ticket that one has earned",
    "registration.service.Registration.register": "the account was opened just now",
    "testing.people.sign_in": "none: a test says so, on a house of its own (InProcessOstiary)",
}
"""What may start a session, and on what evidence."""

GRANTERS = {
    "login.entrance.Entrance.start",
    "login.entrance.Entrance.step_up",
    "registration.service.Registration.register",
    "sessions.service.Sessions.refresh",
    "sessions.service.Sessions.resume",
    "testing.people.sign_in",
}
"""What may hand out tokens of a session."""

ROUTES = {
    "login.answers.hand_over",
    "login.pages.onwards",
    "registration.api.register",
    "registration.pages.register",
    "sessions.lane.SessionLane.refresh",
}
"""Routes that put a grant into the visitor's cookies."""


def callers(*calls: str) -> set[str]:
    """Return the qualified name of every function that calls one of these, such as `sessions.start`."""
    found = set()
    for module in modules().values():
        for call in module.calls():
            told = ast.unparse(call.func).removeprefix("self.").lstrip("_")
            if told in calls:
                found.add(f"{module.name}.{owner_of(module, call.lineno)}")
    return found


def test_whatever_starts_a_session_is_listed() -> None:
    assert callers("sessions.start", "house.sessions.start") == STARTERS.keys()


def test_whatever_hands_out_tokens_is_listed() -> None:
    assert callers("grant", "sessions.grant", "house.sessions.grant") == GRANTERS


def test_tokens_are_minted_in_one_place() -> None:
    assert callers("minter.mint", "mint") == {"sessions.service.Sessions.grant"}
    # The journal's signatures have a key and a `typ` of their own, and pass for no token.
    journal = {"audit.statement.signed", "audit.checkpoints.Checkpoints.sign_export"}
    lists = {"revocation.lists.StatusLists._write"}  # as are status lists
    # Apple wants a statement for a secret, signed by a key that it has given.
    elsewhere = {"federation.who.client_secret"}
    assert callers("sign") == {"sessions.tokens.Minter.mint"} | journal | lists | elsewhere


def test_every_route_that_hands_over_cookies_is_listed() -> None:
    assert callers("handover.give") == ROUTES


def test_the_documentation_lists_the_same_ways() -> None:
    text = (ROOT / "docs" / "explanation" / "sessions.md").read_text(encoding="utf-8")
    section = text.partition("## Every way in")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+\.[a-z]+\.[A-Za-z_.]+)`", section))
    assert named == STARTERS.keys() | GRANTERS | ROUTES
