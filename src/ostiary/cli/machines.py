"""`ostiary machine`: accounts that have neither password nor address, and their API keys."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import account_named, data_option, keeper, run_with_house
from ostiary.cli.times import Span
from ostiary.core.clock import iso, millis

if TYPE_CHECKING:
    from collections.abc import Callable

    from ostiary.apikeys import Issued, NewKey
    from ostiary.wiring import Ostiary


@click.group()
def machine() -> None:
    """Open accounts for machines, and make API keys for them.

    Nobody signs in to such an account. `ostiary user permit`, `forbid`, `deactivate` and `delete` work on it as on
    anybody's; `ostiary apikey list` and `revoke` on its keys.
    """


def key_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what a key shall be."""
    for option in (
        click.option("--network", "networks", multiple=True, help="Only from there may it be used; may be repeated."),
        click.option("--ends-in", "lifetime", type=Span(), help="How long it is good, such as 90d; default no end."),
        click.option("--scope", "scopes", multiple=True, help="What it is for; may be repeated."),
        click.option("--key-name", default="first key", show_default=True, help="A word by which to know the key."),
    ):
        command = option(command)
    return command


@machine.command()
@data_option
@click.option("--permit", "permissions", multiple=True, help="What it may do, such as books:lend; may be repeated.")
@key_options
@click.argument("name")
def add(
    data: Path, permissions: tuple[str, ...], key_name: str, scopes: tuple[str, ...], lifetime: timedelta | None,
    networks: tuple[str, ...], name: str,
) -> None:  # fmt: skip
    """Open an account for a machine and make its first API key, which is shown this once.

    The key is made for what the machine is permitted, unless --scope says otherwise.
    """
    from ostiary.accounts import check_username  # noqa: PLC0415 - `--help` needs none

    async def errand(house: Ostiary) -> Issued:
        username = check_username(name, house.settings.accounts.usernames)
        wanted = _wanted(house, key_name, scopes or permissions, networks, lifetime)  # before anything is made
        async with house.database.unit(keeper()) as unit:
            account = await house.accounts.open_machine(unit, username)
            for permission in permissions:
                await house.accounts.permit(unit, account.id, permission)
        click.echo(f"{account.id}  {account.username}  may: {', '.join(permissions) or 'nothing'}")
        return await house.api_keys.issue(keeper(), account.id, wanted)

    _show(run_with_house(data, errand))


@machine.command()
@data_option
@key_options
@click.argument("name")
def key(
    data: Path, key_name: str, scopes: tuple[str, ...], lifetime: timedelta | None, networks: tuple[str, ...], name: str
) -> None:
    """Make one more API key for a machine, which is shown this once."""

    async def errand(house: Ostiary) -> Issued:
        account = await account_named(house, name)
        if not account.is_machine:  # people make their own, and are told of it
            raise click.ClickException(f"{account.username} is a person's account, not a machine's.")
        wanted = _wanted(house, key_name, scopes, networks, lifetime)
        return await house.api_keys.issue(keeper(), account.id, wanted)

    _show(run_with_house(data, errand))


@machine.command("list")
@data_option
@click.option("--most", default=100, show_default=True, help="How many at most.")
@click.option("--after", default="", help="Go on after this id.")
def list_machines(data: Path, most: int, after: str) -> None:
    """List the accounts of machines, with what they may do and how many keys they have."""

    async def errand(house: Ostiary) -> None:
        for account in await house.accounts.machines(after, most):
            held = await house.api_keys.listed(account.id)
            may = ", ".join(account.permissions) or "nothing"
            click.echo(f"{account.id}  {account.username:24} {account.status:12} {len(held)} keys  may: {may}")

    run_with_house(data, errand)


def _wanted(
    house: Ostiary, name: str, scopes: tuple[str, ...], networks: tuple[str, ...], lifetime: timedelta | None
) -> NewKey:
    from ostiary.apikeys import NewKey  # noqa: PLC0415 - `--help` needs none

    return NewKey.of(name, scopes, networks, house.clock.now() + millis(lifetime) if lifetime is not None else None)


def _show(issued: Issued) -> None:
    ends = f"ends {iso(issued.key.expires_at)}" if issued.key.expires_at is not None else "no end"
    click.echo(f"{issued.key.name}, for {issued.key.scopes or 'nothing that needs a scope'}, {ends}.")
    click.echo("Copy it now: nobody can show it again.")
    click.echo(issued.text)
