"""`ostiary migrate`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ostiary.cli.common import data_option


@click.command()
@data_option
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if there is something to do.")
def migrate(data: Path, check: bool) -> None:
    """Bring the database up to date; a server does the same at its start."""
    from ostiary.migrations import is_current  # noqa: PLC0415
    from ostiary.migrations import migrate as upgrade  # noqa: PLC0415
    from ostiary.settings import load  # noqa: PLC0415

    folder = data.absolute()
    url = load(folder).storage.database or f"sqlite:///{folder / 'ostiary.db'}"
    current = asyncio.run(is_current(url))
    if current:
        click.echo("The database is up to date.")
    elif check:
        click.echo("The database needs `ostiary migrate`.")
        raise SystemExit(1)
    else:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        click.echo("Bringing the database up to date …")
        asyncio.run(upgrade(url))
        click.echo("Done.")
