"""The cookie that binds a sign-in elsewhere to one browser, and the names of providers for its eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.federation.registry import Providers
    from ostiary.federation.transactions import Transactions
    from ostiary.web.cookies import Cookies
    from ostiary.web.visit import Visit

SECONDS = 3600


def browser_of(transactions: Transactions, visit: Visit, cookies: Cookies) -> str:
    """Return the id of the visitor's browser, and see that it keeps it: for other tabs, and longer with each way."""
    held = cookies.read(visit, "federation")
    found = transactions.browser_in(held)
    if held is None or found is None:
        held = transactions.new_browser()
        found = transactions.browser_in(held)
        assert found is not None
    visit.answers.append(cookies.write("federation", held, SECONDS))
    return found


def labels_of(providers: Providers) -> dict[str, str]:
    """Return the names of the providers that are offered."""
    return {choice.slug: choice.label for choice in providers.choices}
