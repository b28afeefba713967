"""`ostiary serve` and `ostiary dev`."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ostiary.cli.common import data_option

if TYPE_CHECKING:
    from granian.server.embed import Server

    from ostiary.core.hashing import Hasher
    from ostiary.mail import KeptLetter, Mailbox
    from ostiary.texts import ConsoleCarrier, KeptText
    from ostiary.wiring import Ostiary

SWITCH_SECONDS = 0.0005
"""How long a thread may keep Python to itself while others wait: a password that is weighed, or a hash
that ends, must not hold up requests for ten times as long as they take."""

YOUNG_GARBAGE, SELDOM = 200_000, 1_000_000
"""Containers that may have come since the last search for garbage: far more than a thousand held requests consist of,
so that a flood is not searched again and again. Until then, and for what is older, the clock decides."""
EVERYWHERE = tuple(f"+{digit}" for digit in range(1, 10))

host_option = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
port_option = click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port.")


FAREWELL_SECONDS, LAST_SECONDS = 6.0, 1.0
"""How long requests under way may take once the process is told to end; init systems kill after ten or more."""


@click.command()
@data_option
@host_option
@port_option
def serve(data: Path, host: str, port: int) -> None:
    """Run the server.

    Every byte of state lies under the data folder: the database (unless one is
    configured), the root secret, and letters while no mail server is set.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each of its plugins
    _run(data, host, port, None, None)


@click.command()
@data_option
@host_option
@port_option
def dev(data: Path, host: str, port: int) -> None:
    """Run a server for development.

    Letters are shown in the terminal, at /dev/mailbox, and as JSON at
    /dev/mailbox.json; text messages likewise at /dev/texts, to any country,
    unless a provider is set. Not for people: whoever reaches it reads them all.
    """
    from ostiary.mail import Mailbox  # noqa: PLC0415
    from ostiary.texts import ConsoleCarrier  # noqa: PLC0415

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    _run(data, host, port, Mailbox(_show), ConsoleCarrier(_show_text))


def _show(letter: KeptLetter) -> None:
    rule = click.style("─" * 72, fg="cyan")
    click.echo(f"{rule}\n{click.style('Letter to', bold=True)} {letter.to}: {letter.subject}\n\n{letter.text}\n{rule}")


def _show_text(text: KeptText) -> None:
    rule = click.style("─" * 72, fg="cyan")
    click.echo(f"{rule}\n{click.style('Text to', bold=True)} {text.to}\n\n{text.body}\n{rule}")


def _run(data: Path, host: str, port: int, mailbox: Mailbox | None, console: ConsoleCarrier | None) -> None:
    import uvloop  # noqa: PLC0415

    from ostiary.core.turns import SHORT, ask_for_turns  # noqa: PLC0415
    from ostiary.settings import load  # noqa: PLC0415
    from ostiary.wiring import Ostiary  # noqa: PLC0415

    folder = data.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    defaults: dict[str, Any] = {"web": {"public_url": f"http://localhost:{port}"}}
    if console is not None:
        defaults["texts"] = {"prefixes": EVERYWHERE}
    settings = load(folder, defaults=defaults)
    house = Ostiary(settings, folder, post=mailbox, console=console)
    sys.setswitchinterval(SWITCH_SECONDS)
    ask_for_turns(SHORT)  # and so do the threads of the server and the database, which are started from here
    uvloop.run(_serve(house, host, port, mailbox))


async def _serve(house: Ostiary, host: str, port: int, mailbox: Mailbox | None) -> None:
    from granian.constants import HTTPModes, Interfaces  # noqa: PLC0415
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.server.embed import Server  # noqa: PLC0415

    await house.open()
    # What is loaded stays: to look through all of it for garbage stops the process for 50 ms each time.
    gc.freeze()
    house.after_loading = gc.freeze
    gc.set_threshold(YOUNG_GARBAGE, SELDOM, SELDOM)
    tidying = asyncio.create_task(_tidy_when_calm(house.hasher), name="tidying")
    server = Server(
        house.app, address=host, port=port, interface=Interfaces.ASGINL, http=HTTPModes.http1, backlog=1024,
        backpressure=2048, log_enabled=False, websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=64 * 1024),
    )  # fmt: skip
    serving = asyncio.create_task(server.serve(), name="serving")
    await asyncio.sleep(0)
    _end_on_signals(server, serving, house.feed.end, standing=asyncio.all_tasks())
    _announce(house, mailbox, host, port)
    try:
        await asyncio.wait({serving})
        tidying.cancel()
        if not serving.cancelled():
            serving.result()  # raises if the port is taken, say
    finally:
        await house.close()


async def _tidy_when_calm(hasher: Hasher) -> None:
    """Look through what is new for garbage each second, and through everything each minute, unless a flood is held.

    What a thousand held requests consist of is alive, and is looked through as well: 30 ms among the new, 200 ms
    among everything. So in a flood there is one search in ten minutes.
    """
    for second in itertools.count(1):
        await asyncio.sleep(1)
        if second % 600 == 0:
            gc.collect()
        elif not hasher.held:
            gc.collect(2 if second % 60 == 0 else 1)


def _end_on_signals(
    server: Server, serving: asyncio.Task[None], end_streams: Callable[[], None], standing: set[asyncio.Task[Any]]
) -> None:
    """Answer what is under way, then end; but whoever never finishes asking holds nobody up.

    Args:
        server: Takes no more requests once a signal came.
        serving: Ends by itself when the last request has ended.
        end_streams: Ends answers that would never end.
        standing: Tasks of the house and the server; whatever came later serves a request.
    """
    from ostiary.web.gate import DISMISSED  # noqa: PLC0415

    loop = asyncio.get_running_loop()

    def leave() -> None:
        loop.set_exception_handler(lambda *_: None)  # the server's own threads find nobody to report to
        serving.cancel()

    def dismiss() -> None:
        for task in asyncio.all_tasks() - standing:
            task.cancel(DISMISSED)
        loop.call_later(LAST_SECONDS, leave)  # half a header has no task

    def end() -> None:
        end_streams()
        server.stop()  # type: ignore[no-untyped-call]
        loop.call_later(FAREWELL_SECONDS, dismiss)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)


def _announce(house: Ostiary, mailbox: Mailbox | None, host: str, port: int) -> None:
    web = house.settings.web
    click.echo(f"{web.product_name} is at {click.style(web.public_url, bold=True)} (listening on {host}:{port})")
    if mailbox is None:
        click.echo(f"Letters go {house.post.where}.")
    else:
        click.echo(f"Letters show up here and at {web.public_url}/dev/mailbox")
    if house.texts.are_offered and house.texts.carrier is not None:
        click.echo(f"Text messages go {house.texts.carrier.where}.")
    click.echo(f"State lies in {house.data}. Stop with Ctrl-C.")
