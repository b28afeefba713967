"""`ostiary breach`: makes the filter of breached passwords, and asks it."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import data_option
from ostiary.passwords.breaches.filter import Filter, FilterDamaged

if TYPE_CHECKING:
    from collections.abc import Callable

SHOW_EVERY_SECONDS = 0.2


@click.group()
def breach() -> None:
    """Build and ask the filter of breached passwords."""


@breach.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The filter to write.")
@click.option(
    "--bits", type=click.Choice(["8", "16"]), default="16", show_default=True,
    help="8: half the size, and one good password in 256 is refused; 16: one in 65,536.",
)  # fmt: skip
@click.option(
    "--at-least", default=1, show_default=True, type=click.IntRange(1), help="Leave out what was found less often."
)
@click.option(
    "--dated", type=click.DateTime(["%Y-%m-%d"]), help="Day of the list; default the newest change of a source."
)
def build(sources: tuple[Path, ...], out: Path, bits: str, at_least: int, dated: datetime | None) -> None:
    """Build a filter from public lists of SHA-1 hashes.

    A source is a file of lines `SHA1:COUNT`, or a folder of files that are
    named by five digits and hold the other 35 and the count; compressed by
    gzip or not. Needs 8 bytes for each hash on the disk of the filter while it
    works. A running server takes the new filter up within a minute.
    """
    from ostiary.passwords.breaches.build import build as write  # noqa: PLC0415 - `--help` builds nothing
    from ostiary.passwords.breaches.build import measure  # noqa: PLC0415
    from ostiary.passwords.breaches.lists import NotAList  # noqa: PLC0415

    begun = time.monotonic()
    day = dated.date().isoformat() if dated else None
    try:
        facts = write(list(sources), out, bits=8 if bits == "8" else 16, at_least=at_least, dated=day, tell=_progress())
    except NotAList as wrong:
        raise click.ClickException(f"{wrong}.") from None
    except OSError as wrong:
        raise click.ClickException(f"{wrong.filename or out}: {wrong.strerror}.") from None
    taken = time.monotonic() - begun
    _tell(out, Filter(out))
    click.echo(f"Built in {taken:.1f} s, {facts.entries / taken:,.0f} passwords a second.")
    mistaken, trials = measure(Filter(out))
    click.echo(
        f"Of {trials:,} random keys it takes {mistaken:,} for breached ones: "
        f"{mistaken / trials:.4%}; {2**-facts.bits:.4%} is to be expected."
    )


@breach.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
def info(file: Path | None) -> None:
    """Read a filter whole and say what it holds; without a file, the one that comes with the package."""
    _tell(*_opened(file))


@breach.command()
@click.option("--filter", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Ask this file.")
@data_option
def check(file: Path | None, data: Path) -> None:
    """Ask for a password, unseen, and say whether the filter knows it; by default that of the server.

    Nothing is kept and no service is asked. Exits with 1 if it is known.
    """
    from ostiary.passwords.breaches.service import knows  # noqa: PLC0415 - `--help` needs none of it

    path, opened = _opened(file or _configured(data))
    password = click.prompt("Password", hide_input=True)
    if knows(opened, password):
        click.echo(f"{path.name} knows this password: do not use it.")
        sys.exit(1)
    click.echo(f"{path.name} does not know this password.")


def _configured(data: Path) -> Path | None:
    from ostiary.settings import load  # noqa: PLC0415

    named = load(data).passwords.breach_filter
    return data.absolute() / named if named else None


def _opened(file: Path | None) -> tuple[Path, Filter]:
    from ostiary.passwords.breaches.service import SHIPPED  # noqa: PLC0415

    path = file or SHIPPED
    try:
        opened = Filter(path)
        opened.check()
    except FilterDamaged as wrong:
        raise click.ClickException(f"{path}: {wrong}.") from None
    except OSError as wrong:
        raise click.ClickException(f"{path}: {wrong.strerror}.") from None
    return path, opened


def _tell(path: Path, opened: Filter) -> None:
    facts = opened.facts
    click.echo(f"{path}: {facts.entries:,} passwords as of {facts.dated}, {facts.bits} bits, {facts.shards} shards")
    click.echo(f"{facts.size:,} bytes, {facts.size / facts.entries:.2f} for each password; whole and unaltered")
    click.echo(f"seal {facts.seal.hex()}")


def _progress() -> Callable[[str, int, int], None]:
    """Return what shows the progress: a line that renews itself, and without a terminal a line for each tenth."""
    shown_at, shown = 0.0, ("", -1)
    on_terminal = sys.stderr.isatty()

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal shown_at, shown
        share = done / total if total else 1.0
        step = stage, int(share * 10)
        if on_terminal and (time.monotonic() - shown_at > SHOW_EVERY_SECONDS or done >= total):
            shown_at = time.monotonic()
            click.echo(f"\r{stage:9} {share:6.1%}", nl=done >= total and step != shown, err=True)
            shown = step
        elif not on_terminal and step != shown:
            shown = step
            click.echo(f"{stage:9} {share:4.0%}", err=True)

    return tell
