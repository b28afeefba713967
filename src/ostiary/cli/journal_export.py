"""`ostiary journal export`: the journal as a stream of lines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ostiary.cli.common import data_option, keeper, run_with_house
from ostiary.cli.journal_words import filter_options, progress_of, tell, wanted_of

if TYPE_CHECKING:
    from ostiary.wiring import Ostiary


@click.command()
@data_option
@click.option(
    "--format", "style", type=click.Choice(["jsonl", "csv", "cef"]), default="jsonl", show_default=True,
    help="JSON Lines, which can be verified without this house; CSV for spreadsheets; CEF for a SIEM.",
)  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A new file; default the standard output.")
@click.option("--sealed", is_flag=True, help="Leave what is personal sealed.")
@click.option("--follow", is_flag=True, help="Go on as entries come, until you interrupt it.")
@filter_options
def export(
    data: Path, style: str, out: Path | None, sealed: bool, follow: bool, login: str | None, action: str | None,
    since: str | None, until: str | None, address: str | None,
) -> None:  # fmt: skip
    """Write entries out, all or those that are asked for; the journal says that it was done."""
    from ostiary.audit import Order  # noqa: PLC0415 - `--help` needs it not

    async def errand(house: Ostiary) -> int:
        wanted = await wanted_of(house, login, action, since, until, address)
        stop = asyncio.Event() if follow else None
        order = Order(style, wanted, sealed, stop, progress_of("written"))  # type: ignore[arg-type]
        with _sink(out) as sink, _interruptible(stop):
            return await house.export.write(keeper(), sink, order)

    tell(f"{run_with_house(data, errand)} entries written.")


@contextlib.contextmanager
def _sink(out: Path | None) -> Iterator[BinaryIO]:
    if out is None:
        yield sys.stdout.buffer
        return
    try:  # personal data: for its owner's eyes only, and never over a file that is there
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as failure:
        raise click.ClickException(f"{out} cannot be made: {failure.strerror}") from None
    with os.fdopen(handle, "wb") as file:
        yield file
        file.flush()
        os.fsync(handle)


@contextlib.contextmanager
def _interruptible(stop: asyncio.Event | None) -> Iterator[None]:
    """Let an interruption end the following, so that the export gets its end."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM) if stop is not None else ()
    for number in signals:
        loop.add_signal_handler(number, stop.set)  # type: ignore[union-attr]
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
