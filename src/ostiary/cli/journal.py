"""`ostiary journal`: verify and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import account_named, data_option, run_with_house
from ostiary.core.clock import iso

if TYPE_CHECKING:
    from ostiary.wiring import Ostiary

PROGRESS_EVERY = 10_000


@click.group()
def journal() -> None:
    """Verify and read the journal."""


@journal.command()
@data_option
def verify(data: Path) -> None:
    """Find edited, deleted, reordered and cut-off entries; exits with 1 if there are any."""

    def progress(entries: int) -> None:
        if entries and entries % PROGRESS_EVERY == 0:
            click.echo(f"{entries} entries read …", err=True)

    async def errand(house: Ostiary) -> bool:
        verdict = await house.audit.verify(progress)
        for finding in verdict.findings:
            place = f"strand {finding.strand}, position {finding.position}"
            click.secho(f"{place}: {finding.kind}: {finding.words}", fg="red")
        words = "The journal is whole" if verdict.ok else f"{len(verdict.findings)} findings"
        click.echo(f"{words}: {verdict.entries} entries in {verdict.strands} strands.")
        return verdict.ok

    raise SystemExit(0 if run_with_house(data, errand) else 1)


@journal.command("list")
@data_option
@click.option("--account", "login", help="Only what concerns this name, address or id.")
@click.option("--action", help="Only this action, such as login.failed.")
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
def list_entries(data: Path, login: str | None, action: str | None, most: int) -> None:
    """Show entries, the youngest first."""

    async def errand(house: Ostiary) -> None:
        account_id = (await account_named(house, login)).id if login else None
        for line in await house.audit.listed(account_id=account_id, action=action, most=most):
            private = line.private if line.private is not None else {"personal": "erased"}
            said = json.dumps({**line.details, **private}, ensure_ascii=False, sort_keys=True)
            click.echo(f"{iso(line.at)}  {line.action:26} {line.account_id or '-':22}  {said}")

    run_with_house(data, errand)
