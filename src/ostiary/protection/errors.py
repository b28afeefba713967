"""Refusals that protect accounts and the house."""

from __future__ import annotations

from ostiary.core.errors import Problem


class Locked(Problem):
    """Too many wrong passwords for this name, whether or not anybody has it (D5, R7)."""

    slug = "locked"
    title = "Signing in with this name is locked for a while after too many wrong passwords."
    status = 423


class AddressBlocked(Problem):
    """The keeper, a rule on countries, or twenty failed logins in an hour, have shut the door to this address (R13)."""

    slug = "address-blocked"
    title = "This address is blocked here."
    status = 403


class ProofOfWorkNeeded(Problem):
    """The house is under attack: strangers show that they are not a machine that tries many (R12)."""

    slug = "proof-of-work-needed"
    title = "Show that you are not a machine trying many passwords, and try again."
    status = 429
