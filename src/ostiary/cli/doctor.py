"""`ostiary doctor`: looks at a deployment as a careful stranger would, and says what to do."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import data_option
from ostiary.cli.findings import PATIENCE_SECONDS, Finding
from ostiary.cli.proxies import proxy_findings
from ostiary.core.clock import iso
from ostiary.core.errors import Misconfigured, Unavailable
from ostiary.core.outbound import OutboundFailed, OutboundRefused
from ostiary.passwords.breaches.filter import FilterDamaged

if TYPE_CHECKING:
    from ostiary.wiring import Ostiary

MOST_SKEW_SECONDS = 5.0
OLDEST_PLACES_DAYS = 60
OWASP_MEMORY_KIB, OWASP_PASSES = 19 * 1024, 2
SIGNS = {"good": ("✓", "green"), "look": ("!", "yellow"), "bad": ("✗", "red")}


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print findings as JSON Lines.")
def doctor(data: Path, as_json: bool) -> None:
    """Check settings, files, database, keys, anchors, clock, mail, cookies, TLS and proxies, and say what to do.

    Exits with 1 if anything is bad. Changes nothing, sends no letter.
    """
    findings = asyncio.run(_all(data.absolute(), as_json=as_json))
    bad = sum(finding.state == "bad" for finding in findings)
    if not as_json:
        click.echo(f"\n{len(findings)} checks, {bad} bad, {sum(f.state == 'look' for f in findings)} to look at.")
    raise SystemExit(1 if bad else 0)


async def _all(data: Path, *, as_json: bool) -> list[Finding]:
    findings = []
    async for finding in _checks(data):
        findings.append(finding)
        if as_json:
            click.echo(json.dumps(asdict(finding), ensure_ascii=False))
            continue
        sign, colour = SIGNS[finding.state]
        click.echo(f"{click.style(sign, fg=colour)} {finding.about:10} {finding.words}")
        if finding.remedy:
            click.echo(f"  {'':10} {click.style('→ ' + finding.remedy, fg=colour)}")
    return findings


async def _checks(data: Path) -> AsyncIterator[Finding]:
    from ostiary.migrations import is_current  # noqa: PLC0415
    from ostiary.wiring import Ostiary  # noqa: PLC0415

    folder = _folder(data)
    yield folder
    if folder.state == "bad":
        return
    try:
        house = Ostiary.at(data)
    except Misconfigured as unsafe:
        yield Finding("settings", "bad", str(unsafe), f"Correct {data / 'ostiary.toml'} or the environment.")
        return
    yield Finding("settings", "good", "Every setting is known and safe to start with.")
    breaches = await _breaches(house)
    yield breaches
    if breaches.state == "bad":
        return
    try:
        if not await is_current(house.database_url):
            yield Finding("database", "bad", "The tables are not up to date.", f"ostiary migrate --data {data}")
            return
        await house.open(work=False)
    except Unavailable as gone:
        yield Finding("database", "bad", str(gone), "Start the database, or correct storage.database.")
        return
    except Misconfigured as unsafe:
        yield Finding("keys", "bad", str(unsafe), "Give the root secret that this database was started with.")
        return
    try:
        yield Finding("database", "good", f"Reachable and up to date ({house.database.driver.dialect}).")
        yield _keys(house)
        yield _hashing(house)
        yield _counters(house)
        yield _places(house)
        yield await _mail(house)
        yield await _texts(house)
        async for finding in _alerts(house):
            yield finding
        async for finding in _anchors(house):
            yield finding
        async for finding in _public(house):
            yield finding
    finally:
        await house.close()


async def _breaches(house: Ostiary) -> Finding:
    settings = house.settings.passwords
    if settings.breaches == "off":
        remedy = 'Set passwords.breaches to "filter": it costs microseconds.'
        return Finding("breaches", "look", "Breached passwords are not looked for.", remedy)
    try:
        house.breaches.open()
        assert house.breaches.filter is not None
        facts = house.breaches.filter.facts
        await asyncio.to_thread(house.breaches.filter.check)
    except Misconfigured as unsafe:
        return Finding("breaches", "bad", str(unsafe).partition("\n")[0], "Build it again by `ostiary breach build`.")
    except (FilterDamaged, OSError) as wrong:
        words = f"{house.breaches.path} cannot be used: {wrong}."
        return Finding("breaches", "bad", words, "Build it again by `ostiary breach build`.")
    finally:
        house.breaches.close()
    if settings.breaches == "range":
        try:
            await house.breaches.suffixes(secrets.token_hex(3)[:5].upper())
        except (OutboundFailed, OutboundRefused) as end:
            words = f"The breach service is of no help ({end}): passwords pass without it."
            return Finding("breaches", "look", words, "Check passwords.range_url, and the way out of this machine.")
    if settings.breach_filter is None:
        words = f"The shipped list knows the {facts.entries:,} most common passwords."
        return Finding("breaches", "look", words, "Build a filter of a public list: docs/guides/breached-passwords.md.")
    return Finding("breaches", "good", f"{facts.entries:,} breached passwords are known, as of {facts.dated}.")


def _folder(data: Path) -> Finding:
    if not data.exists():
        remedy = "Name it with --data, or start `ostiary serve` once."
        return Finding("data", "bad", f"There is no folder {data}.", remedy)
    mode = data.stat().st_mode & 0o777
    if mode & 0o077:
        return Finding("data", "bad", f"{data} is open to others ({mode:o}).", f"chmod 700 {data}")
    return Finding("data", "good", f"{data} is its owner's alone.")


def _keys(house: Ostiary) -> Finding:
    now = house.clock.now()
    youngest = max(key.activates_at for key in house.ring.living("signing", now))
    days = (now - youngest) / 86_400_000
    due = house.settings.keys.rotate_every.total_seconds() / 86_400
    if days > due + 1:
        return Finding("keys", "look", f"The signing key is {days:.0f} days old.", "Is a server running? It rotates.")
    return Finding("keys", "good", f"Every purpose has a living key; the signing key is {max(days, 0):.0f} days old.")


def _hashing(house: Ostiary) -> Finding:
    cost = house.settings.hashing
    if cost.memory_kib * cost.passes < OWASP_MEMORY_KIB * OWASP_PASSES:
        remedy = "Remove hashing.memory_kib and hashing.passes: the default is OWASP's."
        return Finding("hashing", "bad", "Password hashes cost less than OWASP asks.", remedy)
    return Finding("hashing", "good", f"Argon2id with {cost.memory_kib // 1024} MiB, {cost.passes} passes.")


def _counters(house: Ostiary) -> Finding:
    if house.settings.protection.counters == "memory":
        remedy = "With more than one process set protection.counters to database or valkey."
        return Finding("limits", "look", "Limits count in each process alone.", remedy)
    return Finding("limits", "good", f"Limits count exactly, in {house.settings.protection.counters}.")


def _places(house: Ostiary) -> Finding:
    files = house.places.files
    if not files:
        return Finding("places", "good", "No database of places is set: nobody's place is shown or judged.")
    days = (house.clock.now() / 1000 - min(file.built_at for file in files)) / 86_400
    if days > OLDEST_PLACES_DAYS:
        remedy = "Fetch it anew every week; the running server takes it up within a minute."
        return Finding("places", "look", f"The database of places is {days:.0f} days old.", remedy)
    return Finding("places", "good", f"The database of places is {max(days, 0):.0f} days old.")


async def _mail(house: Ostiary) -> Finding:
    settings = house.settings.mail
    if settings.smtp_host is None:
        return Finding("mail", "look", f"Letters go {house.post.where}.", "Set mail.smtp_host for people to get them.")
    import aiosmtplib  # noqa: PLC0415

    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host, port=settings.smtp_port, timeout=10, use_tls=settings.smtp_security == "tls",
        start_tls=settings.smtp_security == "starttls", username=settings.smtp_username,
        password=settings.smtp_password,
    )  # fmt: skip
    try:
        async with client:
            await client.noop()
    except (aiosmtplib.SMTPException, OSError) as failure:
        words = f"{settings.smtp_host}:{settings.smtp_port} does not take us ({type(failure).__name__})."
        return Finding("mail", "bad", words, "Check mail.smtp_host, smtp_port, smtp_security and the login.")
    return Finding("mail", "good", f"{settings.smtp_host} takes our login.")


async def _texts(house: Ostiary) -> Finding:
    """Look where text messages would go; none is sent."""
    from ostiary.texts import MessagesApi  # noqa: PLC0415

    settings, carrier = house.settings.texts, house.texts.carrier
    if not settings.prefixes and not settings.has_provider:
        return Finding("texts", "good", "No text message is sent: texts.prefixes is empty.")
    if not settings.prefixes:
        return Finding(
            "texts", "look", "No text message is sent: texts.prefixes is empty.", "Name the countries there."
        )
    if not isinstance(carrier, MessagesApi):
        remedy = "Set texts.account, texts.secret and texts.sender: docs/guides/text-messages.md."
        return Finding("texts", "bad", "Nobody is set who sends text messages.", remedy)
    try:
        await carrier.judge()
    except (OutboundRefused, OutboundFailed) as failure:
        words = f"{settings.api_url} cannot be reached: {failure}."
        return Finding(
            "texts", "bad", words, "Correct texts.api_url, or name its network in outbound.allowed_networks."
        )
    return Finding("texts", "good", f"Text messages go {carrier.where}.")


async def _alerts(house: Ostiary) -> AsyncIterator[Finding]:
    """Look where alerts would go; nothing is sent: `ostiary alert test` does that."""
    from ostiary.core.outbound import OutboundFailed, OutboundRefused  # noqa: PLC0415

    settings = house.settings.alerts
    if not settings.mail_to and not settings.webhooks:
        yield Finding("alerts", "look", "Alerts go to the log only.", "Set alerts.mail_to or alerts.webhooks.")
    elif settings.mail_to:
        yield Finding("alerts", "good", f"{len(settings.mail_to)} keepers get a letter for each alert.")
    for receiver in house.alerts.sinks.receivers:
        async with house.database.unit() as unit:
            waiting = await receiver.waiting(unit, settings.backlog)
        try:
            await receiver.judge()
        except (OutboundRefused, OutboundFailed) as failure:
            words = f"The receiver {receiver.name} cannot be reached: {failure}."
            yield Finding(
                "webhooks", "bad", words, "Correct its url, or name its network in outbound.allowed_networks."
            )
            continue
        if waiting >= settings.backlog:
            words = f"The receiver {receiver.name} takes nothing: {waiting} alerts wait for it."
            yield Finding("webhooks", "bad", words, f"Repair it, then: ostiary alert test --data {house.data}")
        else:
            yield Finding("webhooks", "good", f"The receiver {receiver.name} may be visited; {waiting} alerts wait.")


async def _anchors(house: Ostiary) -> AsyncIterator[Finding]:
    """Look whether the newest checkpoint has left the house; what an older one said, it says, too."""
    from ostiary.audit import shown  # noqa: PLC0415

    newest, owed = await house.checkpoints.owed(house.outbox)
    for anchor in house.settings.journal.anchors:
        if newest is None:
            remedy = "Is a server running? It makes one within minutes."
            yield Finding("anchors", "look", f"There is no checkpoint yet for {shown(anchor)}.", remedy)
        elif (job := owed.get(anchor)) is None:
            words = f"Nothing waits to be brought to {shown(anchor)}; the newest checkpoint is of {iso(newest.at)}."
            yield Finding("anchors", "good", words)
        else:
            tried = f"{job.attempts} attempts" + (f", {job.last_error}" if job.last_error else "")
            words = f"Checkpoint {newest.sequence} has not reached {shown(anchor)} ({tried})"
            if job.failed_at is None:
                remedy = "Is a server running, and can it write there? The log says what each attempt met."
                yield Finding("anchors", "look", f"{words}; it is tried again.", remedy)
            else:
                remedy = "Repair the way there: the next checkpoint says all that this one said."
                yield Finding("anchors", "bad", f"{words}, and is given up.", remedy)


async def _public(house: Ostiary) -> AsyncIterator[Finding]:
    import httpx  # noqa: PLC0415

    web = house.settings.web
    started = time.time()
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            answer = await client.get(f"{web.public_url}/healthz")
            page = await client.get(f"{web.public_url}/auth/sign-in")
    except httpx.HTTPError as failure:
        words = f"{web.public_url} does not answer ({type(failure).__name__})."
        yield Finding("public", "look", words, "Start the server, or check web.public_url, DNS and the certificate.")
        return
    if answer.status_code != 200 or "x-request-id" not in answer.headers:
        remedy = "Let the proxy pass every path on to Ostiary."
        yield Finding("public", "bad", f"{web.public_url} is answered by something else.", remedy)
        return
    yield Finding("public", "good", f"{web.public_url} is answered by Ostiary{' over TLS' if web.is_https else ''}.")
    yield _clock(answer.headers.get("date"), started)
    cookie = page.headers.get("set-cookie", "")
    if house.cookies.name("csrf") not in cookie or "Secure" not in cookie:
        remedy = "The proxy must not rename, strip or rewrite Set-Cookie."
        yield Finding("cookies", "bad", "Cookies do not arrive as they were sent.", remedy)
    else:
        yield Finding("cookies", "good", "Cookies arrive as they were sent.")
    async for finding in proxy_findings(house):
        yield finding


def _clock(date: str | None, started: float) -> Finding:
    if date is None:
        return Finding("clock", "look", "The server's answer carries no date.", "Let the proxy keep the Date header.")
    skew = parsedate_to_datetime(date).timestamp() - started
    if abs(skew) > MOST_SKEW_SECONDS:
        return Finding("clock", "bad", f"The server's clock is {skew:+.0f} s off ours.", "Run NTP on both machines.")
    return Finding("clock", "good", "The server's clock agrees with ours.")
