"""What the commands on the journal share: filters, times, progress."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ostiary.cli.common import account_named
from ostiary.cli.times import instant

if TYPE_CHECKING:
    from ostiary.audit import Wanted
    from ostiary.wiring import Ostiary

PROGRESS_EVERY = 10_000
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_ACTION = re.compile(r"[a-z_.]+\*?|\*")


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which entries."""
    for option in (
        click.option("--address", help="From this address, or network such as 203.0.113.0/24; opens each entry."),
        click.option("--until", help="Before this time, as with --since."),
        click.option("--since", help="From this time on: ISO such as 2026-01-31T12:00, or an age such as 2h or 3d."),
        click.option("--action", help="Only this action, such as login.failed, or all that begin alike: 'login.*'."),
        click.option("--account", "login", help="Only what concerns this name, address or id."),
    ):
        command = option(command)
    return command


async def wanted_of(
    house: Ostiary, login: str | None, action: str | None, since: str | None, until: str | None, address: str | None
) -> Wanted:
    """Return what the options ask for.

    Raises:
        click.ClickException: One of them is not to be understood.
    """
    from ostiary.audit import Wanted, network_of  # noqa: PLC0415 - `--help` needs it not

    now = house.clock.now()
    if action is not None and not _ACTION.fullmatch(action):
        raise click.ClickException("--action takes a name such as login.failed, or a beginning such as login.*")
    try:
        network = None if address is None else network_of(address)
    except ValueError:
        raise click.ClickException("--address takes an address, or a network such as 203.0.113.0/24") from None
    return Wanted(
        None if login is None else await _account(house, login), action,
        None if since is None else instant(since, now), None if until is None else instant(until, now), network,
    )  # fmt: skip


def progress_of(verb: str) -> Callable[[int], None]:
    """Return what tells on stderr how far a long errand is."""
    told = 0

    def progress(entries: int) -> None:
        nonlocal told
        if entries - told >= PROGRESS_EVERY:
            told = entries
            tell(f"{entries} entries {verb} …")

    return progress


def harmless(text: str) -> str:
    """Return a line in which nothing is left that a terminal would obey: strangers choose their browser's name."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def tell(words: str) -> None:
    """Say something that is not part of the answer."""
    click.echo(words, err=True)


async def _account(house: Ostiary, login: str) -> str:
    try:
        return (await account_named(house, login)).id
    except click.ClickException:
        if _ACCOUNT_ID.fullmatch(login):  # of an account that is deleted: its entries stay
            return login
        raise
