"""`ostiary apikey`: list, revoke, and find leaked ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from ostiary.cli.common import account_named, data_option, keeper, run_with_house
from ostiary.core.clock import iso

if TYPE_CHECKING:
    from ostiary.apikeys import ApiKey
    from ostiary.wiring import Ostiary

CHUNK = 1 << 20


@click.group()
def apikey() -> None:
    """List and revoke API keys, and find leaked ones in a text."""


@apikey.command("list")
@data_option
@click.argument("login")
def list_keys(data: Path, login: str) -> None:
    """Show the API keys of somebody (name, address or id); never a secret."""

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        for key in await house.api_keys.listed(account.id):
            click.echo(line_of(key))

    run_with_house(data, errand)


@apikey.command()
@data_option
@click.option("--account", "login", help="Revoke all keys of this name, address or id.")
@click.argument("key", required=False)
def revoke(data: Path, login: str | None, key: str | None) -> None:
    """Revoke one key by its id (such as ost_5Qm8…, as lists and `check` show it), or all of an account.

    Every process refuses it at once, and its owner gets a letter.
    """
    if (login is None) == (key is None):
        raise click.UsageError("Give a key's id, or --account.")

    async def errand(house: Ostiary) -> None:
        from ostiary.apikeys import read  # noqa: PLC0415 - `--help` needs none

        if key is not None:
            whole = read(key)  # who finds a leaked one may have all of it at hand
            found = await house.api_keys.find(whole.id if whole else key.rpartition("_")[2])
            if found is None or found.revoked_at is not None:
                raise click.ClickException("There is no such key, or it was revoked before.")
            await house.api_keys.revoke(keeper(), found.account_id, found.id, "by-keeper")
            click.echo(f"{found.hint} is revoked.")
            return
        account = await account_named(house, login or "")
        async with house.database.unit(keeper()) as unit:
            count = await house.api_keys.revoke_all(unit, account.id, "by-keeper")
        click.echo(f"{count} API keys of {account.username} are revoked.")

    run_with_house(data, errand)


@apikey.command()
@click.option("--prefix", "prefixes", multiple=True, help="Only keys that begin so; may be repeated. Default any.")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def check(prefixes: tuple[str, ...], files: tuple[str, ...]) -> None:
    """Look for API keys in files, or in what is piped in; ends with status 1 if there are any.

    Works offline: form and checksum tell a key from what looks like one. It says which keys they are, to be revoked
    by `ostiary apikey revoke`, and never repeats a secret.
    """
    from ostiary.apikeys import found_in  # noqa: PLC0415 - `--help` needs none

    number = 0
    for file in files or ("-",):
        with click.open_file(file, "rb") as opened:
            for found in found_in(_chunks(opened)):
                if not prefixes or found.name.prefix in prefixes:
                    number += 1
                    click.echo(f"{file}:{found.line}: {found.name.hint}")
    if number:
        click.secho(f"{number} API keys found. Revoke them: whoever could read this could use them.", err=True)
        sys.exit(1)


def line_of(key: ApiKey) -> str:
    """Return what a keeper may know of a key, on one line."""
    used = f"used {iso(key.last_used_at)}" if key.last_used_at is not None else "not used"
    ends = f"ends {iso(key.expires_at)}" if key.expires_at is not None else "no end"
    return f"{key.hint}  {key.name:30} {key.scopes or '-'}  {key.networks or 'everywhere'}  {ends}  {used}"


def _chunks(opened: IO[bytes]) -> Iterator[bytes]:
    return iter(partial(opened.read, CHUNK), b"")
