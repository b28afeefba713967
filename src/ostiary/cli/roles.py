"""`ostiary role`: permissions that are given together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import account_named, data_option, keeper, run_with_house, watching_keepers
from ostiary.core.clock import iso
from ostiary.web.rights import HOUSE_PERMISSIONS

if TYPE_CHECKING:
    from ostiary.roles import Hand
    from ostiary.wiring import Ostiary

all_option = click.option(
    "--all-of-the-house", "all_of_the_house", is_flag=True,
    help="Everything that the house itself asks for; `ostiary role permissions` lists it.",
)  # fmt: skip


@click.group()
def role() -> None:
    """Make, show, change and delete roles: permissions given together.

    `ostiary user grant` and `revoke` give them to accounts. What is changed holds from the next request on, on every
    process, however old a token is.
    """


def _operator() -> Hand:
    from ostiary.roles import Hand  # noqa: PLC0415 - `--help` needs none

    return Hand(keeper(), is_operator=True)


def _wanted(permissions: tuple[str, ...], all_of_the_house: bool) -> tuple[str, ...]:
    return (*permissions, *(HOUSE_PERMISSIONS if all_of_the_house else ()))


@role.command()
@data_option
@click.option("--description", default="", help="A word on what it is for.")
@click.option("--permit", "permissions", multiple=True, help="What it may do, such as books:lend; may be repeated.")
@all_option
@click.option(
    "--to", "logins", multiple=True, help="Who gets it at once: a name, an address or an id; may be repeated."
)
@click.argument("name")
def add(
    data: Path,
    description: str,
    permissions: tuple[str, ...],
    all_of_the_house: bool,
    logins: tuple[str, ...],
    name: str,
) -> None:
    """Make a role.

    The first keeper of a new house: `ostiary role add keeper --all-of-the-house --to mira`.
    """

    async def errand(house: Ostiary) -> None:
        accounts = [await account_named(house, login) for login in logins]  # before anything is made
        made = await house.roles.add(_operator(), name, description, _wanted(permissions, all_of_the_house))
        click.echo(f"{made.name} may: {', '.join(made.permissions) or 'nothing yet'}")
        for account in accounts:
            await house.roles.grant(_operator(), name, account.id)
            click.echo(f"{account.username} holds the role {name}.")

    run_with_house(data, errand)


@role.command("list")
@data_option
@click.option("--most", default=100, show_default=True, help="How many at most.")
@click.option("--after", default="", help="Go on after this name.")
def list_roles(data: Path, most: int, after: str) -> None:
    """List the roles, with what they may do."""

    async def errand(house: Ostiary) -> None:
        for one in await house.roles.listed(after, most):
            click.echo(f"{one.name:24} may: {', '.join(one.permissions) or 'nothing'}")

    run_with_house(data, errand)


@role.command()
@data_option
@click.option("--most", default=100, show_default=True, help="How many holders at most.")
@click.option("--after", default="", help="Go on after the holder of this id.")
@click.argument("name")
def show(data: Path, most: int, after: str, name: str) -> None:
    """Show one role: what it may do, and who holds it."""

    async def errand(house: Ostiary) -> None:
        found = await house.roles.get(name)
        click.echo(f"{found.name}  {found.description}  made {iso(found.created_at)}")
        for permission in found.permissions:
            click.echo(f"may {permission}  {HOUSE_PERMISSIONS.get(permission, '')}".rstrip())
        click.echo(f"{await house.roles.count_holders(found.id)} accounts hold it")
        for holder in await house.roles.holders(found.id, after, most):
            click.echo(f"{holder.id}  {holder.username:24} {holder.status:12} since {iso(holder.since)}")

    run_with_house(data, errand)


@role.command()
@data_option
@all_option
@click.argument("name")
@click.argument("permissions", nargs=-1)
def permit(data: Path, all_of_the_house: bool, name: str, permissions: tuple[str, ...]) -> None:
    """Let the holders of a role do more."""
    from ostiary.roles import Change  # noqa: PLC0415 - as above

    async def errand(house: Ostiary) -> None:
        change = Change(permit=_wanted(permissions, all_of_the_house))
        made = await house.roles.change(_operator(), name, change)
        click.echo(f"{made.name} may: {', '.join(made.permissions) or 'nothing'}")

    run_with_house(data, errand)


@role.command()
@data_option
@click.argument("name")
@click.argument("permissions", nargs=-1, required=True)
def forbid(data: Path, name: str, permissions: tuple[str, ...]) -> None:
    """Let the holders of a role do less, at once and in every session."""
    from ostiary.roles import Change  # noqa: PLC0415 - as above

    async def errand(house: Ostiary) -> None:
        made = await watching_keepers(house, house.roles.change(_operator(), name, Change(forbid=permissions)))
        click.echo(f"{made.name} may: {', '.join(made.permissions) or 'nothing'}")

    run_with_house(data, errand)


@role.command()
@data_option
@click.argument("name")
@click.confirmation_option(prompt="Whoever holds it may no longer do what it permits. Delete it?")
def remove(data: Path, name: str) -> None:
    """Delete a role, and with it what it permitted, at once."""

    async def errand(house: Ostiary) -> None:
        holders = await watching_keepers(house, house.roles.remove(_operator(), name))
        click.echo(f"{name} is deleted; {holders} accounts held it.")

    run_with_house(data, errand)


@role.command()
def permissions() -> None:
    """List the permissions that the house itself asks for."""
    for name, words in HOUSE_PERMISSIONS.items():
        click.echo(f"{name:20} {words}")
