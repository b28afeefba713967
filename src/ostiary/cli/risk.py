"""`ostiary risk`: why a sign-in was judged as it was, and what another policy would have done."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ostiary.cli.common import account_named, data_option, run_with_house
from ostiary.cli.times import Span
from ostiary.core.clock import iso, millis

if TYPE_CHECKING:
    from ostiary.risk import Outcome, Policy, Recorded
    from ostiary.wiring import Ostiary

PROGRESS_EVERY = 10_000


@click.group()
def risk() -> None:
    """Explain verdicts on sign-ins, and try out another policy."""


@risk.command("policy")
@data_option
def show_policy(data: Path) -> None:
    """Print the policy in force as TOML, to start another from."""
    from ostiary.risk import policy_text  # noqa: PLC0415 - `--help` needs none of it
    from ostiary.settings import load  # noqa: PLC0415

    click.echo(policy_text(load(data).risk), nl=False)


@risk.command()
@data_option
@click.argument("identity", metavar="ID")
def explain(data: Path, identity: str) -> None:
    """Show what was known of a sign-in, each reason with its weight, and what was done.

    ID is a request id, a session id, or a place in the journal
    (STRAND:POSITION). The words are those of the policy in force now; where it
    judges otherwise than the policy of that day, both verdicts are shown.
    """
    from ostiary.risk import Records  # noqa: PLC0415

    async def errand(house: Ostiary) -> None:
        found = await Records(house.audit).find(identity, _progress)
        if found is None:
            raise click.ClickException(f"No judged sign-in is named {identity!r}: a wrong password is not judged.")
        click.echo(f"{iso(found.at)}  {found.action}  account {found.account_id}  place {found.place}")
        _say_verdict(found)
        _say_facts(found, house.risk.policy)

    run_with_house(data, errand)


@risk.command("replay")
@data_option
@click.option(
    "--policy", "path", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the [risk] section to try.",
)  # fmt: skip
@click.option("--since", type=Span(timedelta(0)), default="30d", show_default=True, help="How far back.")
@click.option("--account", "login", help="Only the sign-ins of this name, address or id.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def try_policy(data: Path, path: Path, since: timedelta, login: str | None, as_json: bool) -> None:
    """Judge recorded sign-ins by another policy, and count what would change."""
    from ostiary.risk import Records, policy_in, replay  # noqa: PLC0415

    policy = policy_in(path)

    async def errand(house: Ostiary) -> Outcome:
        account_id = (await account_named(house, login)).id if login else None
        start = max(0, house.clock.now() - millis(since))
        return await replay(Records(house.audit), policy, since=start, account_id=account_id, progress=_progress)

    outcome = run_with_house(data, errand)
    if as_json:
        click.echo(json.dumps(_as_json(outcome), ensure_ascii=False, sort_keys=True))
    else:
        _say_outcome(outcome)


def _progress(entries: int) -> None:
    if entries % PROGRESS_EVERY == 0:
        click.echo(f"{entries} entries read …", err=True)


def _say_verdict(found: Recorded) -> None:
    verdict = found.verdict
    reasons = ", ".join(f"{code} {weight:+}" for code, weight in verdict.reasons.items())
    click.secho(f"Decided then: {verdict.action}, score {verdict.score} (policy {verdict.policy})", bold=True)
    click.echo(f"  {reasons or 'no reasons'}")


def _say_facts(found: Recorded, policy: Policy) -> None:
    import msgspec  # noqa: PLC0415

    from ostiary.risk import assess  # noqa: PLC0415

    if found.facts is None:
        erased = "The account is erased, and with it the facts: only what stands above is left."
        click.echo(
            erased if found.is_erased else "The facts cannot be read: another version wrote them, or nobody did."
        )
        return
    click.echo("Facts:")
    for name, value in msgspec.structs.asdict(found.facts).items():
        if value not in (None, {}):
            click.echo(f"  {name:16} {iso(value) if name == 'at' else _plain(value)}")
    now = assess(found.facts, policy)
    changed = now.policy != found.verdict.policy
    click.echo("Reasons, by the policy in force now:" if changed else "Reasons:")
    for reason in now.reasons:
        click.echo(f"  {reason.weight:+5}  {reason.code:20} {reason.words}")
    steps = policy.thresholds
    click.echo(
        f"  {now.score:5}  score; notify from {steps.notify}, challenge from {steps.challenge}, deny from {steps.deny}"
    )
    click.secho(f"{'Now it would be' if changed else 'Action'}: {now.action}", bold=True)


def _plain(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415

    found: dict[str, Any] = msgspec.to_builtins(outcome)
    return found


def _say_outcome(outcome: Outcome) -> None:
    from ostiary.risk import ACTIONS  # noqa: PLC0415

    click.echo(f"{outcome.signins} sign-ins judged anew by policy {outcome.policy}.")
    left_out = [(outcome.erased, "account erased"), (outcome.unreadable, "facts not readable")]
    for count, why in left_out:
        if count:
            click.echo(f"{count} left out: {why}.")
    click.echo(f"\n{'was':12}" + "".join(f"{'→ ' + action:>13}" for action in ACTIONS))
    for was in ACTIONS:
        click.echo(f"{was:12}" + "".join(f"{outcome.table[was][becomes]:13}" for becomes in ACTIONS))
    for change, examples in sorted(outcome.examples.items()):
        click.echo(f"\n{change.replace('>', ' → ')}, for example:")
        for example in examples:
            click.echo(f"  {example.place}  account {example.account_id}  score {example.score}")
            for words in example.reasons:
                click.echo(f"    {words}")
    click.echo(
        f"\nAccepted, never disowned, and now: {outcome.refused_by_mistake} denied, "
        f"{outcome.challenged_by_mistake} newly challenged."
        f"\nDisowned by their owners: {outcome.disowned}, of which {outcome.disowned_stopped} challenged or denied."
    )
