"""`ostiary csp`: what browsers report of violated content policies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import data_option, keeper, run_with_house
from ostiary.core.clock import iso

if TYPE_CHECKING:
    from ostiary.wiring import Ostiary


@click.group()
def csp() -> None:
    """Read and forget what browsers report of violated content policies."""


@csp.command("list")
@data_option
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
def list_reports(data: Path, most: int) -> None:
    """Show groups of reports, the last seen first. Anybody can send reports: they are hearsay."""

    async def errand(house: Ostiary) -> None:
        for group in await house.csp_reports.listed(most=most):
            source = f" by {group.source}" if group.source else ""
            sample = f"  {group.sample!r}" if group.sample else ""
            click.echo(
                f"{iso(group.last_seen_at)}  {group.count:6}  {group.directive:20} {group.blocked} on {group.page}"
                f"{source}{' (report only)' if group.disposition == 'report' else ''}{sample}"
            )

    run_with_house(data, errand)


@csp.command()
@data_option
def clear(data: Path) -> None:
    """Forget every report; browsers will tell again what still happens."""

    async def errand(house: Ostiary) -> None:
        click.echo(f"{await house.csp_reports.clear(keeper())} groups of reports are forgotten.")

    run_with_house(data, errand)
