"""`ostiary user`: the keeper's view of accounts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import account_named, data_option, keeper, run_with_house, watching_keepers
from ostiary.core.clock import iso

if TYPE_CHECKING:
    from ostiary.accounts import Account
    from ostiary.wiring import Ostiary


@click.group()
def user() -> None:
    """Add, show, change, export and delete accounts."""


def _line(account: Account) -> str:
    proven = "" if account.email_verified else " (not confirmed)"
    address = "(machine)" if account.is_machine else f"{account.email}{proven}"
    return f"{account.id}  {account.username:24} {address}  {account.status}  {iso(account.created_at)}"


@user.command("list")
@data_option
@click.option("--most", default=100, show_default=True, help="How many at most.")
@click.option("--after", default="", help="Go on after this id.")
def list_users(data: Path, most: int, after: str) -> None:
    """List accounts in the order in which they were opened."""

    async def errand(house: Ostiary) -> None:
        for account in await house.accounts.listed(after, most):
            click.echo(_line(account))

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
def show(data: Path, login: str) -> None:
    """Show one account, by name, address or id."""

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        click.echo(_line(account))
        click.echo(f"{len(await house.sessions.listed(account.id))} living sessions")
        click.echo(f"{len(await house.api_keys.listed(account.id))} API keys")
        held = (await house.roles.rights(account.id)).roles
        click.echo(f"roles: {', '.join(role.name for role in held) or 'none'}")
        click.echo(f"may: {', '.join(account.permissions) or 'nothing beyond its own affairs'}")

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("username")
@click.argument("email")
@click.option("--full-name", default="", help="Name to show.")
@click.password_option(help="Asked for if not given; giving it here leaves it in the shell's history.")
def add(data: Path, username: str, email: str, full_name: str, password: str) -> None:
    """Open an account; the address is confirmed by letter, like anybody's."""
    from ostiary.registration import Application  # noqa: PLC0415

    async def errand(house: Ostiary) -> None:
        account = await house.registration.open(keeper(), Application(username, email, password, full_name))
        click.echo(_line(account))

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
def deactivate(data: Path, login: str) -> None:
    """Close an account to its owner; everything granted to it ends at once."""

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        async with house.database.unit(keeper()) as unit:
            if not await house.accounts.set_status(unit, account.id, account.status, "deactivated"):
                raise click.ClickException("The account has just changed. Please look again.")
            await house.sessions.end_others(unit, account.id, "", "deactivated")
        click.echo(f"{account.username} is deactivated.")

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
def activate(data: Path, login: str) -> None:
    """Open a deactivated account to its owner again."""

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        becomes = "active" if account.email_verified or account.is_machine else "provisional"
        async with house.database.unit(keeper()) as unit:
            if not await house.accounts.set_status(unit, account.id, "deactivated", becomes):  # type: ignore[arg-type]
                raise click.ClickException(f"{account.username} is not deactivated.")
        click.echo(f"{account.username} is {becomes}.")

    run_with_house(data, errand)


@user.command("return")
@data_option
@click.argument("login")
@click.argument("email")
@click.confirmation_option(
    prompt="Letters for a new password will go to this address. Do you know that it is the owner's?"
)
def give_back(data: Path, login: str, email: str) -> None:
    """Open a closed account for the owner of an address, who gets a letter for a new password."""
    from ostiary.accounts import check_address  # noqa: PLC0415

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        if account.is_machine:  # an address would be a way to sign in
            raise click.ClickException(f"{account.username} is a machine's account, not a person's.")
        address = check_address(email, house.settings.accounts.addresses)
        await house.recovery.give_back(keeper(), account.id, address)
        click.echo(f"{account.username} is open again; a letter goes to {address.shown}.")

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
@click.argument("permission")
def permit(data: Path, login: str, permission: str) -> None:
    """Let an account do something, such as csp-reports:read."""
    from ostiary.roles import Hand  # noqa: PLC0415 - `--help` needs none

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        granted = await house.roles.permit(Hand(keeper(), is_operator=True), account.id, permission)
        click.echo(f"{account.username} {'may now' if granted else 'might already'} {permission}.")

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
@click.argument("permission")
def forbid(data: Path, login: str, permission: str) -> None:
    """Take a permission back that was given directly; it is gone from every session at once."""
    from ostiary.roles import Hand  # noqa: PLC0415 - `--help` needs none

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        act = house.roles.forbid(Hand(keeper(), is_operator=True), account.id, permission)
        if not await watching_keepers(house, act):
            raise click.ClickException(f"{account.username} has not got {permission} directly.")
        after = await house.roles.rights(account.id)
        if permission in after.account.permissions:
            by = ", ".join(role.name for role in after.roles)
            click.echo(f"{account.username} may {permission} still, by a role of: {by}.")
        else:
            click.echo(f"{account.username} may no longer {permission}.")

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
@click.argument("role")
def grant(data: Path, login: str, role: str) -> None:
    """Give an account a role; it may do what the role permits with its next request."""
    from ostiary.roles import Hand  # noqa: PLC0415 - `--help` needs none

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        given = await house.roles.grant(Hand(keeper(), is_operator=True), role, account.id)
        click.echo(f"{account.username} {'holds' if given else 'held already'} the role {role}.")

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
@click.argument("role")
def revoke(data: Path, login: str, role: str) -> None:
    """Take a role back from an account; it is gone from every session at once."""
    from ostiary.roles import Hand  # noqa: PLC0415 - `--help` needs none

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        act = house.roles.revoke(Hand(keeper(), is_operator=True), role, account.id)
        if not await watching_keepers(house, act):
            raise click.ClickException(f"{account.username} has not got the role {role}.")
        click.echo(f"{account.username} holds the role {role} no more.")

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
def unlock(data: Path, login: str) -> None:
    """Forget the wrong passwords that locked a name."""
    from ostiary.login import folded  # noqa: PLC0415

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        await house.protection.unlock(keeper(), account.id, folded(account.username), folded(account.email))
        click.echo(f"{account.username} can sign in again.")

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
@click.confirmation_option(prompt="The account and all that hangs on it will be gone. Delete it?")
def delete(data: Path, login: str) -> None:
    """Delete an account; the journal keeps what happened, without what is personal."""

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        async with house.database.unit(keeper()) as unit:
            await house.sessions.end_others(unit, account.id, "", "deleted")  # while it is known which there were
            await house.accounts.delete(unit, account.id)
        click.echo(f"{account.username} is deleted.")

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write; it must not be there yet.")
def export(data: Path, login: str, out: Path) -> None:
    """Write everything that is stored about an account to a file, as JSON; its owner is told by letter."""

    async def errand(house: Ostiary) -> str:
        account = await account_named(house, login)
        try:  # personal data: for the keeper's eyes only, and never over a file that is there
            handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as failure:
            raise click.ClickException(f"{out} cannot be made: {failure.strerror}") from None
        with os.fdopen(handle, "wb") as file:
            async for part in await house.privacy.export(keeper(), account.id):
                file.write(part)
        return account.username

    click.echo(f"Everything about {run_with_house(data, errand)} is in {out}.")


@user.command()
@data_option
@click.argument("login")
@click.option("--now", is_flag=True, help="At once: nobody can keep the account any more.")
@click.confirmation_option(prompt="The account is closed at once, and erased when its time is over. Erase it?")
def erase(data: Path, login: str, now: bool) -> None:
    """Close an account and erase it after the grace; the owner gets a letter with a link that keeps it."""

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        erasure = await house.privacy.erase_for(keeper(), account.id, now=now)
        if now:
            click.echo(f"{account.username} is erased. Backups, exports and mail elsewhere keep what they have.")
        else:
            click.echo(f"{account.username} is closed, and will be erased at {iso(erasure.due_at)}.")

    run_with_house(data, errand)


@user.command()
@data_option
@click.argument("login")
def keep(data: Path, login: str) -> None:
    """Erase an account no more; it is what it was before."""

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        if not await house.privacy.keep_for(keeper(), account.id):
            raise click.ClickException(f"{account.username} is not to be erased.")
        click.echo(f"{account.username} is kept.")

    run_with_house(data, errand)
