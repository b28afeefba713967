"""`ostiary incident`: somebody is in (docs/guides/incident.md says in which order)."""

from __future__ import annotations

import getpass
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import account_named, data_option, keeper, run_with_house
from ostiary.cli.times import Span, instant
from ostiary.core.clock import iso
from ostiary.core.errors import Misconfigured

if TYPE_CHECKING:
    from ostiary.incident import Cause
    from ostiary.wiring import Ostiary

LONGEST_MESSAGE = 20_000
MOST_SHOWN = 20
SHUT = {"everything": "everything", "strangers": "strangers", "unproven": "strangers without a proof of work"}

reason_option = click.option("--reason", required=True, help="Why; goes into the journal, sealed.")


@click.group()
def incident() -> None:
    """Block, end, replace, tell: for when somebody is in.

    Each step is journalled with who took it and why, and raises an alert. The
    order is in docs/guides/incident.md.
    """


@incident.command("block-account")
@data_option
@reason_option
@click.argument("logins", nargs=-1, required=True)
def block_account(data: Path, reason: str, logins: tuple[str, ...]) -> None:
    """Close accounts (names, addresses or ids) to everybody; all that was granted to them dies at once.

    `ostiary user activate` opens one again.
    """

    async def errand(house: Ostiary) -> None:
        accounts = [await account_named(house, login) for login in logins]  # all of them are known, or none is blocked
        for account in accounts:
            ended = await house.incident.block_account(keeper(), account.id, _cause(reason))
            click.echo(f"{account.username} is blocked; {ended} sessions are ended.")

    run_with_house(data, errand)


@incident.command("forget-factors")
@data_option
@reason_option
@click.argument("login")
def forget_factors(data: Path, reason: str, login: str) -> None:
    """Remove an account's authenticator app, recovery codes and passkeys: a stranger's, or lost ones.

    Its password alone opens it then, so be sure who asks. All that was granted to it ends; the owner gets a letter.
    """

    async def errand(house: Ostiary) -> None:
        account = await account_named(house, login)
        ended = await house.incident.forget_factors(keeper(), account.id, _cause(reason))
        click.echo(f"{account.username} has no second factor any more; {ended} sessions are ended.")

    run_with_house(data, errand)


@incident.command("end-sessions")
@data_option
@reason_option
@click.option("--all", "everybody", is_flag=True, help="Everybody's.")
@click.option("--account", "logins", multiple=True, help="Those of this name, address or id; may be repeated.")
def end_sessions(data: Path, reason: str, logins: tuple[str, ...], *, everybody: bool) -> None:
    """End sessions, of some accounts or of everybody; every process refuses them at once."""
    if everybody == bool(logins):
        raise click.UsageError("Give --all, or --account once or more.")

    async def errand(house: Ostiary) -> None:
        ids = None if everybody else [(await account_named(house, login)).id for login in logins]
        ended = await house.incident.end_sessions(keeper(), ids, _cause(reason))
        click.echo(f"{ended} sessions are ended.")

    run_with_house(data, errand)


@incident.command("revoke-keys")
@data_option
@reason_option
@click.option("--all", "everybody", is_flag=True, help="Everybody's, machines' too; nobody gets a letter by it.")
@click.option("--account", "logins", multiple=True, help="Those of this name, address or id; may be repeated.")
def revoke_keys(data: Path, reason: str, logins: tuple[str, ...], *, everybody: bool) -> None:
    """Revoke API keys, of some accounts or of everybody; every process refuses them at once."""
    if everybody == bool(logins):
        raise click.UsageError("Give --all, or --account once or more.")

    async def errand(house: Ostiary) -> None:
        ids = None if everybody else [(await account_named(house, login)).id for login in logins]
        revoked = await house.incident.revoke_keys(keeper(), ids, _cause(reason))
        click.echo(f"{revoked} API keys are revoked.")

    run_with_house(data, errand)


@incident.command()
@data_option
@reason_option
@click.option(
    "--new-root-secret-file", "new_secret", type=click.Path(dir_okay=False, path_type=Path),
    help="File with the new root secret; needed where the present one does not lie in the data folder.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
def rotate(data: Path, reason: str, new_secret: Path | None, *, yes: bool) -> None:
    """Replace every key and the root secret at once; everybody is signed out.

    Signing, MAC and index keys die: access and refresh tokens, cookies, known
    browsers, links in letters that are under way and the counters of failed
    logins are void. Data, journal, checkpoint, API-key and pepper keys are
    rotated: what they sealed stays readable, and API keys stay good. A crash at
    any moment leaves a house that starts.
    """
    if not yes:
        click.echo("Everybody is signed out, links in letters are void, and locked names open again.")
        click.echo("Backups made until now open with the present root secret only: keep a copy of it, elsewhere.")
        click.confirm("Replace every key and the root secret?", abort=True)

    async def errand(house: Ostiary) -> None:
        try:
            keys = await house.incident.rotate(keeper(), _cause(reason), new_secret)
        except Misconfigured as unfit:
            raise click.ClickException(f"Nothing is replaced: {unfit}.") from None
        for made in keys:
            click.echo(f"{made.purpose:8} {made.id:18} in force from {iso(made.activates_at)}")
        if house.keys.root.file is not None:
            click.echo(
                f"The root secret in {house.keys.root.file} is a new one. Make a backup of it now, away from the"
            )
            click.echo("database's; other machines need a copy, and answer 503 until they have it.")
            return
        click.secho(f"The keys are sealed under the secret in {new_secret}, and no other opens them.", bold=True)
        click.echo("Put it where the root secret comes from (keys.root_secret_file or what keys.root_secret_command")
        click.echo("reads): running servers take it up within a second, and answer 503 until then. Servers that have")
        click.echo("keys.root_secret in their settings or environment must be started anew with it.")

    run_with_house(data, errand)


@incident.command()
@data_option
@reason_option
@click.option(
    "--message", "file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Text of the letter: paragraphs with blank lines between; greeting and ending are added.",
)  # fmt: skip
@click.option("--id", "notice_id", help="Name of the notice; by default made from the text.")
@click.option("--all", "everybody", is_flag=True, help="To everybody.")
@click.option("--account", "logins", multiple=True, help="To this name, address or id; may be repeated.")
@click.option(
    "--since", help="To everybody with a session begun or refreshed since: ISO (UTC) such as 2026-11-22T08:00, or 24h."
)
def notify(
    data: Path, reason: str, file: Path, notice_id: str | None, logins: tuple[str, ...], since: str | None,
    *, everybody: bool,
) -> None:  # fmt: skip
    """Queue a letter to people with a proven address; nobody gets one notice twice.

    If it is interrupted, run it again. The running server sends the letters.
    """
    if sum((everybody, bool(logins), since is not None)) != 1:
        raise click.UsageError("Give one of --all, --account and --since.")
    message = _message(file)

    async def errand(house: Ostiary) -> None:
        from ostiary.incident import NoticeDiffers  # noqa: PLC0415

        if everybody:
            audience = house.incident.everybody()
        elif since is not None:
            audience = house.incident.used_since(instant(since, house.clock.now()))
        else:
            audience = _each([(await account_named(house, login)).id for login in logins])
        try:
            named, queued = await house.incident.notify(keeper(), _cause(reason), message, audience, notice_id)
        except NoticeDiffers:
            raise click.ClickException("Another text was sent under this --id: choose a new one.") from None
        click.echo(f"{queued} letters of the notice {named} are queued.")

    run_with_house(data, errand)


@incident.command()
@data_option
def status(data: Path) -> None:
    """Show what is blocked, how old the keys are, and which alerts are open."""

    async def errand(house: Ostiary) -> None:
        found = await house.incident.status()
        click.echo(f"{len(found.blocked)} accounts are blocked.")
        for account in found.blocked:
            click.echo(f"  {account.id}  {account.username}")
        for block in await house.blocks.listed():
            until = f"until {iso(block.expires_at)}" if block.expires_at else "until it is unblocked"
            click.echo(f"{block.what} is shut to {SHUT[block.bars]} {until}: {block.reason}")
        now = house.clock.now()
        for key in (key for key in await house.keys.listed() if key.sealed and key.retires_at is None):
            click.echo(f"key {key.purpose:8} {key.id:18} {max(0, now - key.activates_at) // 86_400_000} days old")
        click.echo(f"{len(found.alerts)} alerts are open.")
        for alert in found.alerts[:MOST_SHOWN]:
            click.echo(f"  {iso(alert.at)}  {alert.severity:8} {alert.kind:22} {alert.count} times")
        if len(found.alerts) > MOST_SHOWN:
            click.echo("  and less grave ones: `ostiary alert list`")

    run_with_house(data, errand)


@incident.command("block-network")
@data_option
@reason_option
@click.option("--for", "lifetime", type=Span(), help="How long, such as 24h; without it, until it is unblocked.")
@click.option("--strangers-only", is_flag=True, help="Spare running sessions and browsers that were signed in before.")
@click.argument("network")
def block_network(data: Path, reason: str, lifetime: timedelta | None, network: str, strangers_only: bool) -> None:
    """Refuse every request from a network, such as 203.0.113.0/24."""

    async def errand(house: Ostiary) -> None:
        block = await house.incident.block_network(
            keeper(), network, _cause(reason), lifetime=lifetime, spares_known=strangers_only
        )
        click.echo(f"{block.network} is shut to {SHUT[block.bars]}{f' for {lifetime}' if lifetime else ''}.")

    run_with_house(data, errand)


@incident.command("unblock-network")
@data_option
@reason_option
@click.argument("network")
def unblock_network(data: Path, reason: str, network: str) -> None:
    """Let a network in again."""

    async def errand(house: Ostiary) -> None:
        if not await house.incident.unblock_network(keeper(), network, _cause(reason)):
            raise click.ClickException(f"{network} was not blocked. `ostiary incident status` shows what is.")
        click.echo(f"{network} is not blocked any more.")

    run_with_house(data, errand)


def _cause(reason: str) -> Cause:
    from ostiary.incident import Cause  # noqa: PLC0415 - `--help` needs none

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return Cause(os.environ.get("SUDO_USER") or user, reason)


def _message(file: Path) -> str:
    try:
        message = file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise click.ClickException(f"{file} is not text in UTF-8.") from None
    if not message or len(message) > LONGEST_MESSAGE:
        raise click.ClickException(f"{file} must hold text, of {LONGEST_MESSAGE} characters at most.")
    return message


async def _each(ids: list[str]) -> AsyncIterator[str]:
    for account_id in ids:
        yield account_id
