"""`ostiary alert`: what was raised, and whether anybody would hear of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import data_option, keeper, run_with_house
from ostiary.core.clock import iso

if TYPE_CHECKING:
    from ostiary.wiring import Ostiary


@click.group()
def alert() -> None:
    """List alerts, and test who hears of them."""


@alert.command("list")
@data_option
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
def list_alerts(data: Path, most: int) -> None:
    """Show alerts, the youngest first: when, how grave, what, how often, and whom it concerns."""

    async def errand(house: Ostiary) -> None:
        for found in await house.alerts.listed(most=most):
            times = "once" if found.count == 1 else f"{found.count} times, last {iso(found.last_at)}"
            whom = f"  account {found.account_id}" if found.account_id else ""
            click.echo(f"{iso(found.at)}  {found.severity:8} {found.kind:22} {times}{whom}  {found.id}")

    run_with_house(data, errand)


@alert.command()
@data_option
def test(data: Path) -> None:
    """Send a test to the log, to every keeper and to every receiver now, and say what happened.

    Exits with 1 if one of them failed.
    """

    async def errand(house: Ostiary) -> bool:
        told = await house.alerts.test(keeper())
        for one in told:
            click.secho(f"{'✓' if one.is_well else '✗'} {one.sink}: {one.words}", fg="green" if one.is_well else "red")
        if len(told) == 1:
            click.echo("Nobody else would hear: set alerts.mail_to or alerts.webhooks.")
        return all(one.is_well for one in told)

    raise SystemExit(0 if run_with_house(data, errand) else 1)
