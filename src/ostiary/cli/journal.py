"""`ostiary journal`: read, export, sign, verify, prune."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import data_option, keeper, run_with_house
from ostiary.cli.journal_export import export
from ostiary.cli.journal_words import filter_options, harmless, progress_of, tell, wanted_of
from ostiary.cli.times import instant
from ostiary.core.clock import iso

if TYPE_CHECKING:
    from ostiary.audit import Line, Verdict
    from ostiary.wiring import Ostiary


@click.group()
def journal() -> None:
    """Read, export, sign, verify and prune the journal."""


journal.add_command(export)

checkpoint_option = click.option(
    "--checkpoint", "checkpoint_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of checkpoints kept elsewhere, one in each line: an older state that was put back shows.",
)  # fmt: skip


@journal.command()
@data_option
@checkpoint_option
def verify(data: Path, checkpoint_file: Path | None) -> None:
    """Find edited, deleted, reordered and cut-off entries; exits with 1 if there are any."""
    anchored = _checkpoints_in(checkpoint_file)

    async def errand(house: Ostiary) -> Verdict:
        return await house.audit.verify(progress_of("read"), anchored)

    raise SystemExit(_told(run_with_house(data, errand), "The journal is whole"))


@journal.command("verify-export")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key", "keys_file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JWK Set of `ostiary journal public-key`, from a place that you trust.",
)  # fmt: skip
@checkpoint_option
def verify_offline(file: Path, keys_file: Path, checkpoint_file: Path | None) -> None:
    """Verify an export in JSON Lines with public keys alone, without a database; exits with 1 if it is not whole."""
    from ostiary.audit import verify_export  # noqa: PLC0415 - `--help` needs it not
    from ostiary.client.jwks import KeysUnavailable, parse  # noqa: PLC0415
    from ostiary.client.keys import KnownKeys  # noqa: PLC0415

    try:
        keys = KnownKeys(*parse(keys_file.read_bytes()).values())
    except KeysUnavailable:
        raise click.ClickException(f"{keys_file} is no JWK Set with a key for us.") from None
    with file.open("rb") as opened:
        verdict = verify_export(opened, keys, _checkpoints_in(checkpoint_file))
    raise SystemExit(_told(verdict, "The export is whole"))


@journal.command("list")
@data_option
@filter_options
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
@click.option(
    "--most-read", default=200_000, show_default=True, type=click.IntRange(1),
    help="How many entries a search by address opens at most.",
)  # fmt: skip
def list_entries(
    data: Path, login: str | None, action: str | None, since: str | None, until: str | None, address: str | None,
    most: int, most_read: int,
) -> None:  # fmt: skip
    """Show entries, the youngest first."""

    async def errand(house: Ostiary) -> None:
        wanted = await wanted_of(house, login, action, since, until, address)
        if wanted.network is None:
            lines = await house.audit.listed(
                wanted.account_id, action=wanted.action, since=wanted.since, until=wanted.until, most=most
            )
        else:
            search = await house.audit.search(wanted, most=most, most_read=most_read, progress=progress_of("opened"))
            lines = search.lines
            if search.rest_until is not None:
                tell(f"Stopped after {search.read} entries. Go on with --until {iso(search.rest_until)}")
        for line in lines:
            click.echo(_shown(line))

    run_with_house(data, errand)


@journal.command()
@data_option
def checkpoint(data: Path) -> None:
    """Sign a checkpoint if there are new entries, and print the newest as a compact JWS."""

    async def errand(house: Ostiary) -> None:
        stored = await house.checkpoints.write(keeper())
        tell(f"Checkpoint {stored.sequence} of {iso(stored.at)}; a running server brings it to its anchors.")
        click.echo(stored.jws)

    run_with_house(data, errand)


@journal.command("public-key")
@data_option
def public_key(data: Path) -> None:
    """Print the public keys of checkpoints as a JWK Set; keep it where you verify."""

    async def errand(house: Ostiary) -> None:
        click.echo(json.dumps(house.keys.checkpoint_jwks(), indent=1))

    run_with_house(data, errand)


@journal.command()
@data_option
@click.option("--before", required=True, help="Entries older than this go: an ISO time, or an age such as 400d.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(data: Path, before: str, dry_run: bool, yes: bool) -> None:
    """Delete old entries that a checkpoint covers; what remains can still be verified."""

    async def plan(house: Ostiary) -> tuple[int, int]:
        moment = instant(before, house.clock.now())
        cuts = await house.retention.plan(keeper(), moment)
        for cut in cuts:
            click.echo(f"strand {cut.strand}: entries {cut.start} to {cut.end - 1} are from before {iso(moment)}")
        return moment, sum(cut.entries for cut in cuts)

    moment, entries = run_with_house(data, plan)
    if dry_run or not entries:
        click.echo(f"{entries} entries would be deleted.")
        return
    if not yes:
        click.confirm(f"Delete {entries} entries for good?", abort=True)

    async def act(house: Ostiary) -> None:
        click.echo(f"{await house.retention.prune(keeper(), moment)} entries are deleted.")

    run_with_house(data, act)


def _told(verdict: Verdict, good: str) -> int:
    for finding in verdict.findings:
        place = f"strand {finding.strand}, position {finding.position}" if finding.strand >= 0 else "the whole"
        click.secho(f"{place}: {finding.kind}: {harmless(finding.words)}", fg="red")
    words = good if verdict.ok else f"{len(verdict.findings)} findings"
    click.echo(f"{words}: {verdict.entries} entries in {verdict.strands} strands.")
    return 0 if verdict.ok else 1


def _checkpoints_in(file: Path | None) -> tuple[str, ...]:
    """Return the checkpoints of a file, one in each line; the last word of a log line is one, too."""
    if file is None:
        return ()
    found = tuple(line.split()[-1] for line in file.read_text("utf-8", "replace").splitlines() if line.strip())
    if not found:
        raise click.ClickException(f"{file} holds no checkpoint.")
    return found


def _shown(line: Line) -> str:
    from ostiary.audit import when  # noqa: PLC0415 - `--help` needs it not

    private = line.private if line.private is not None else {"personal": "erased"}
    said = json.dumps({**line.details, **private}, ensure_ascii=False, sort_keys=True)
    return harmless(f"{when(line.at)}  {line.action:26} {line.account_id or '-':22}  {said}")
