"""What every command shares: the data folder, and a house opened for one errand."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ostiary.core.caller import Caller

if TYPE_CHECKING:
    from ostiary.accounts import Account
    from ostiary.wiring import Ostiary

T = TypeVar("T")

data_option = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), default=Path("data"), show_default=True,
    envvar="OSTIARY_DATA", help="Folder that holds all state; created if need be.",
)  # fmt: skip


def keeper() -> Caller:
    """Return the caller of a command, named anew for each in the journal."""
    return Caller(request_id=f"cli-{secrets.token_hex(6)}")


def run_with_house(data: Path, errand: Callable[[Ostiary], Awaitable[T]]) -> T:
    """Open the house of a data folder, run one errand in it, and close it.

    The errand's letters are left to the running server's queue; without one
    they go when it starts.
    """
    from ostiary.wiring import Ostiary  # noqa: PLC0415 - `--help` needs no house

    async def run() -> T:
        house = Ostiary.at(data)
        await house.open(work=False)
        try:
            return await errand(house)
        finally:
            await house.close()

    if not data.exists():
        raise click.ClickException(f"There is no data folder {data}. Name it with --data, or start a server first.")
    return asyncio.run(run())


async def account_named(house: Ostiary, login: str) -> Account:
    """Return the account of a username, a proven address or an id.

    Raises:
        click.ClickException: There is none.
    """
    async with house.database.unit() as unit:
        account_id = await house.accounts.find_by_login(unit, login)
    account = await house.accounts.remembered(account_id or login)
    if account is None:
        raise click.ClickException(f"There is no account {login!r}. `ostiary user list` shows them all.")
    return account


async def watching_keepers(house: Ostiary, act: Awaitable[T]) -> T:
    """Do something, and say so if nobody is left afterwards who may change roles by the API or the page."""
    had_one = await house.roles.has_keeper()
    done = await act
    if had_one and not await house.roles.has_keeper():
        words = "Nobody may change roles any more, but at this command line. `ostiary user grant` makes a keeper again."
        click.secho(words, fg="yellow", err=True)
    return done
