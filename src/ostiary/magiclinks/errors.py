"""Refusals that concern sign-in links."""

from __future__ import annotations

from ostiary.core.errors import Problem


class LinksNotOffered(Problem):
    """The keeper has switched them off."""

    slug = "links-not-offered"
    title = "Signing in by a mailed link is not offered here."
    status = 404


class LinkCodeNotValid(Problem):
    """One answer for every code that opens nothing, whether or not there was a letter (R7)."""

    slug = "link-code-not-valid"
    title = "This code is not right, or it is too old, or it was asked for in another browser."
    status = 401


class AnotherBrowser(Problem):
    """A good link, in a browser that did not ask for it: the person has to see what it opens, and say so.

    Its members `account`, `asked_at`, `device`, `place` and `address` are what to show.
    """

    slug = "another-browser"
    title = "This link was asked for in another browser. Look at what it signs in, and confirm."
    status = 409
