"""`ostiary key`: list, rotate, kill."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import data_option, keeper, run_with_house
from ostiary.core.clock import iso
from ostiary.core.keyring import PURPOSES, Key

if TYPE_CHECKING:
    from ostiary.wiring import Ostiary


@click.group()
def key() -> None:
    """List, rotate and kill keys."""


@key.command("list")
@data_option
def list_keys(data: Path) -> None:
    """Show every key: its purpose, where in its life it is, and since when."""

    async def errand(house: Ostiary) -> None:
        now = house.clock.now()
        for stored in await house.keys.listed():
            held = Key(
                stored.id, stored.purpose, stored.algorithm, b"", stored.published_at, stored.activates_at,
                stored.retires_at, stored.expires_at,
            )  # fmt: skip
            click.echo(
                f"{stored.purpose:10} {stored.id:18} {held.state(now):10} active from {iso(stored.activates_at)}"
            )

    run_with_house(data, errand)


@key.command()
@data_option
@click.option("--purpose", type=click.Choice(sorted(PURPOSES)), multiple=True, help="Only these; default all.")
def rotate(data: Path, purpose: tuple[str, ...]) -> None:
    """Publish successors that take over once every client can know them; nobody is signed out."""

    async def errand(house: Ostiary) -> None:
        for made in await house.keys.rotate(keeper(), purpose):  # type: ignore[arg-type]
            click.echo(f"{made.purpose:10} {made.id:18} published, takes over at {iso(made.activates_at)}")

    run_with_house(data, errand)


@key.command(context_settings={"ignore_unknown_options": True})  # an id may begin with a dash
@data_option
@click.argument("key_id")
@click.confirmation_option(prompt="What this key made proves nothing any more from now on. Kill it?")
def kill(data: Path, key_id: str) -> None:
    """Destroy a compromised key at once, in every process."""

    async def errand(house: Ostiary) -> None:
        await house.keys.kill(keeper(), key_id)
        click.echo(f"{key_id} is destroyed.")

    run_with_house(data, errand)
