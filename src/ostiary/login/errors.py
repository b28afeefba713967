"""Refusals of the front desk."""

from __future__ import annotations

from ostiary.core.errors import Problem


class SecondFactorRefused(Problem):
    """Wrong, too old, or used before: which of them, nobody is told who has not shown the right one."""

    slug = "second-factor-refused"
    title = "This is not right, or was used before."
    status = 401


class SignInRefused(Problem):
    """Said after every proof only: a stranger with the password alone hears that it is wrong (R7)."""

    slug = "sign-in-refused"
    title = "Signing in from here is not allowed now. Try it from where you usually do."
    status = 403
    keeps_deed = True  # the attempt is over, and the keepers are alerted
