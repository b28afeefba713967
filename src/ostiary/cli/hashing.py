"""`ostiary hash`: what a password hash costs on this machine."""

from __future__ import annotations

import click

STEPS = ((19, 2), (19, 3), (19, 4), (46, 2), (64, 2), (64, 3), (128, 2), (128, 3), (256, 3))
"""MiB and passes of Argon2id, from OWASP's least to what RFC 9106 would like; each about half as dear again."""


@click.group("hash")
def hashing() -> None:
    """Measure password hashes and choose their cost."""


@hashing.command()
@click.option(
    "--milliseconds", default=50.0, show_default=True, type=click.FloatRange(5, 5000),
    help="How long one hash may take on one core.",
)  # fmt: skip
def tune(milliseconds: float) -> None:
    """Measure Argon2id here and print the dearest settings that stay within a time.

    Never less than OWASP's 19 MiB and 2 passes. Hashes of another cost are
    renewed at their owners' next sign-in.
    """
    from ostiary.core.hashing import HashingSettings, hash_raw_calibration  # noqa: PLC0415

    chosen = STEPS[0]
    for mebibytes, passes in STEPS:
        settings = HashingSettings(memory_kib=mebibytes * 1024, passes=passes)
        taken = 1000 * hash_raw_calibration(settings)
        click.echo(f"{mebibytes:4} MiB, {passes} passes: {taken:7.1f} ms")
        if taken > milliseconds:
            break
        chosen = mebibytes, passes
    click.echo("\nFor ostiary.toml, the same on every process:")
    click.secho(f"[hashing]\nmemory_kib = {chosen[0] * 1024}\npasses = {chosen[1]}", bold=True)
