"""`ostiary session`: list and revoke."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import account_named, data_option, keeper, run_with_house
from ostiary.core.clock import iso

if TYPE_CHECKING:
    from ostiary.wiring import Ostiary


@click.group()
def session() -> None:
    """List and revoke sessions."""


@session.command("list")
@data_option
@click.argument("login")
def list_sessions(data: Path, login: str) -> None:
    """Show where somebody (name, address or id) is signed in."""

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        for found in await house.sessions.listed(account.id):
            click.echo(f"{found.id}  {found.device:30} {found.address or '-':20} seen {iso(found.seen_at)}")

    run_with_house(data, errand)


@session.command()
@data_option
@click.option("--account", "login", help="End all sessions of this name, address or id.")
@click.argument("session_id", required=False)
def revoke(data: Path, login: str | None, session_id: str | None) -> None:
    """End one session by its id, or all of an account; every process refuses them at once."""
    if (login is None) == (session_id is None):
        raise click.UsageError("Give a session's id, or --account.")

    async def errand(house: Ostiary) -> None:
        if session_id is not None:
            found = await house.sessions.find(session_id)
            if found is None:
                raise click.ClickException(f"There is no session {session_id!r}.")
            await house.sessions.end(keeper(), found.account_id, session_id, "revoked-by-keeper")
            click.echo("The session is ended.")
            return
        account = await account_named(house, login or "")
        async with house.database.unit(keeper()) as unit:
            count = await house.sessions.end_others(unit, account.id, "", "revoked-by-keeper")
        click.echo(f"{count} sessions of {account.username} are ended.")

    run_with_house(data, errand)
