"""People with habits and intruders with plans, played against a policy: how many are noticed, who is bothered.

Run it by `.venv/bin/python -m scripts.risk_simulation`; it prints the table of docs/explanation/risk.md and writes the
picture beside it. Everything comes from one seed, so that two runs give the same figures. The people are invented: the
figures compare policies and catch mistakes; they do not foretell what a real site sees.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ostiary.risk import ACTIONS, Action, Facts, Policy, assess
from ostiary.risk.baseline import HOUR_MS, NOTHING, Baseline
from ostiary.risk.facts import Signs, gather
from ostiary.risk.learning import learned

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "risk-figures.svg"
SEED = 20_261
PEOPLE, DAYS, LEARNING_DAYS = 200, 90, 30
START = 1_790_000_000_000 // (24 * HOUR_MS) * 24 * HOUR_MS
INTRUSIONS = 6
"""Tries of each kind against each person, none of which is learned from."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place with a network, as a database of places would tell it."""

    country: str | None
    latitude: float | None
    longitude: float | None
    asn: int | None
    address: str = ""
    radius_km: float = 20.0


CITIES = {
    "DE": ((52.5, 13.4), (48.1, 11.6), (53.6, 10.0), (50.9, 6.9)), "FR": ((48.9, 2.4), (45.8, 4.8)),
    "US": ((40.7, -74.0), (34.1, -118.2), (41.9, -87.6)), "IN": ((19.1, 72.9), (28.6, 77.2)),
    "BR": ((-23.6, -46.6),), "ES": ((40.4, -3.7), (41.4, 2.2)), "GB": ((51.5, -0.1), (53.5, -2.2)),
    "JP": ((35.7, 139.7),), "VN": ((10.8, 106.7),), "NG": ((6.5, 3.4),), "RU": ((55.8, 37.6),), "ID": ((-6.2, 106.8),),
}  # fmt: skip
HOMES = ("DE", "FR", "US", "IN", "BR", "ES", "GB", "JP")


@dataclass(slots=True)
class Person:
    """Somebody with a home, a workplace, a telephone, and hours at which they are awake."""

    luck: random.Random
    home: Spot = field(init=False)
    work: Spot = field(init=False)
    mobile: Spot = field(init=False)
    wakes: int = field(init=False)
    eagerness: float = field(init=False)
    country: str = field(init=False)

    def __post_init__(self) -> None:
        luck = self.luck
        self.country = luck.choice(HOMES)
        city = luck.choice(CITIES[self.country])
        self.home, self.work = (_spot(luck, self.country, city, luck.randrange(1, 6)) for _ in range(2))
        self.mobile = _spot(luck, self.country, city, 90)
        self.wakes = (7 - round(city[1] / 15) + luck.choice((-1, 0, 0, 1))) % 24
        self.eagerness = luck.choice((0.4, 0.8, 1.5))

    def hour(self) -> int:
        """Return an hour of this person's day, in UTC: mornings and evenings, seldom the night."""
        luck = self.luck
        if luck.random() < 0.01:
            return luck.randrange(24)
        awake = round(luck.choice((luck.gauss(2, 1), luck.gauss(4, 2), luck.gauss(13, 1.5))))
        return (self.wakes + min(16, max(0, awake))) % 24

    def place(self) -> Spot:
        """Return where this person signs in from on an ordinary day; a telephone's network changes every time."""
        luck, kind = self.luck, self.luck.random()
        if kind < 0.5:
            return self.home
        if kind < 0.75:
            return self.work
        if kind < 0.97:
            return _moved(luck, self.mobile)
        return _spot(luck, self.country, luck.choice(CITIES[self.country]), luck.randrange(1, 60))


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in to be judged: when, from where, on what."""

    at: int
    spot: Spot
    signs: Signs


@dataclass(slots=True)
class Tally:
    """Verdicts by kind of sign-in."""

    of: dict[str, Counter[Action]] = field(default_factory=dict)

    def add(self, kind: str, action: Action) -> None:
        """Count a verdict."""
        self.of.setdefault(kind, Counter())[action] += 1

    def share(self, kind: str, *actions: Action) -> float:
        """Return which share of a kind got one of these verdicts."""
        counts = self.of[kind]
        return sum(counts[action] for action in actions) / counts.total()


OWNER, TRAVELLER = "owner, as usual", "owner, abroad"
INTRUDERS = {
    "stranger abroad": "another country, a new browser, any hour",
    "stranger abroad, bad network": "the same, from a listed network",
    "stranger next door": "the owner's country, a new browser, a rented home line, any hour",
    "stranger at the owner's hour": "the same, at an hour when the owner is awake",
    "mimic": "the owner's provider and city, a new browser, the owner's hours",
    "thief of the browser": "a copied device cookie, another country",
}
"""Who else signs in with the right password, and how."""


def simulate(policy: Policy, people: int = PEOPLE, days: int = DAYS, seed: int = SEED) -> Tally:
    """Play everybody's sign-ins, and the intrusions after the first month; count the verdicts."""
    luck, tally, named = random.Random(seed), Tally(), policy.fingerprint()

    def judged(baseline: Baseline, sign_in: SignIn) -> tuple[Facts, Action]:
        facts = gather(sign_in.at, sign_in.spot.address, sign_in.spot, baseline, sign_in.signs)
        return facts, assess(facts, policy, named=named).action

    for _ in range(people):
        person, baseline = Person(random.Random(luck.random())), NOTHING
        targets = sorted(luck.sample(range(LEARNING_DAYS, days), k=min(INTRUSIONS, days - LEARNING_DAYS)))
        for day, kind, sign_in in owners_days(person, days):
            while targets and day >= targets[0]:
                targets.pop(0)
                for intruder in INTRUDERS:
                    tally.add(intruder, judged(baseline, intrusion(person, intruder, START + day * 24 * HOUR_MS))[1])
            facts, action = judged(baseline, sign_in)
            if day >= LEARNING_DAYS:
                tally.add(kind, action)
            baseline = learned(baseline, facts)  # the owner passes every challenge
    return tally


def owners_days(person: Person, days: int) -> Iterator[tuple[int, str, SignIn]]:
    """Yield what the owner does: sign-ins on most days, cookies lost now and then, a journey in some seasons."""
    luck = person.luck
    journey = range(start := luck.randrange(LEARNING_DAYS, days * 2), start + 10)
    abroad = luck.choice([country for country in CITIES if country != person.country])
    hotel = _spot(luck, abroad, luck.choice(CITIES[abroad]), luck.randrange(1, 60))
    known = False
    for day in range(days):
        times = int(person.eagerness) + (luck.random() < person.eagerness % 1)
        for at in sorted(
            START + day * 24 * HOUR_MS + person.hour() * HOUR_MS + luck.randrange(HOUR_MS) for _ in range(times)
        ):
            spot, kind = (hotel, TRAVELLER) if day in journey else (person.place(), OWNER)
            known = known and luck.random() > 0.02  # a new telephone, deleted cookies, a private window
            yield day, kind, SignIn(at, spot, Signs(known_device=known))
            known = True


def intrusion(person: Person, kind: str, midnight: int) -> SignIn:
    """Return a sign-in of somebody who has the password."""
    luck = person.luck
    hour = luck.randrange(24) if "hour" not in kind and kind != "mimic" else person.hour()
    at = midnight + hour * HOUR_MS + luck.randrange(HOUR_MS)
    foreign = luck.choice([country for country in CITIES if country != person.country])
    if kind in {"stranger next door", "stranger at the owner's hour"}:
        spot = _spot(luck, person.country, luck.choice(CITIES[person.country]), luck.randrange(1, 60))
    elif kind == "mimic":
        spot = _moved(luck, person.home)
    else:
        spot = _spot(luck, foreign, luck.choice(CITIES[foreign]), luck.randrange(1, 60))
    signs = Signs(known_device=kind == "thief of the browser", bad_network="bad network" in kind)
    return SignIn(at, spot, signs)


def table(tally: Tally) -> list[str]:
    """Return the rows of the table in the documentation."""
    rows = []
    for kind, counts in ordered(tally):
        shares = " | ".join(f"{100 * counts[action] / counts.total():.1f}%" for action in ACTIONS)
        rows.append(f"| {kind} | {counts.total()} | {shares} |")
    return rows


def ordered(tally: Tally) -> list[tuple[str, Counter[Action]]]:
    """Return the kinds in the order of the documentation."""
    return [(kind, tally.of[kind]) for kind in (OWNER, TRAVELLER, *INTRUDERS)]


COLOURS = {"allow": "#9ecae1", "notify": "#6baed6", "challenge": "#e6842a", "deny": "#a3210f"}
LEFT, WIDTH, ROW = 210, 480, 26


def picture(tally: Tally) -> str:
    """Return the figures as a bar for each kind of sign-in (SVG, readable without colours by its labels)."""
    rows = ordered(tally)
    parts = []
    for number, (kind, counts) in enumerate(rows):
        top, x = 30 + number * ROW, float(LEFT)
        parts.append(f'<text x="{LEFT - 8}" y="{top + 14}" text-anchor="end">{kind}</text>')
        for action in ACTIONS:
            wide = WIDTH * counts[action] / counts.total()
            if not wide:
                continue
            parts.append(f'<rect x="{x:.1f}" y="{top}" width="{wide:.1f}" height="20" fill="{COLOURS[action]}"/>')
            if wide > 42:
                share = f"{100 * counts[action] / counts.total():.0f}%"
                shade = "#fff" if action in {"challenge", "deny"} else "#000"
                parts.append(
                    f'<text x="{x + wide / 2:.1f}" y="{top + 14}" fill="{shade}" text-anchor="middle">{share}</text>'
                )
            x += wide
    for number, action in enumerate(ACTIONS):
        x = LEFT + number * 120
        parts.append(f'<rect x="{x}" y="6" width="14" height="14" fill="{COLOURS[action]}"/>')
        parts.append(f'<text x="{x + 20}" y="18">{action}</text>')
    height = 40 + len(rows) * ROW
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 10} {height}" '
        'font-family="sans-serif" font-size="12" role="img">'
        "<title>What the default policy does, by kind of sign-in</title>"
        f'<rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _spot(luck: random.Random, country: str, city: tuple[float, float], operators: int) -> Spot:
    """Return a place near a city, with an operator of the country's and an address of its own."""
    base = 64_500 + 100 * sorted(CITIES).index(country)
    address = f"{luck.randrange(11, 126)}.{luck.randrange(256)}.{luck.randrange(256)}.{luck.randrange(1, 255)}"
    return Spot(
        country, city[0] + luck.uniform(-0.3, 0.3), city[1] + luck.uniform(-0.3, 0.3), base + operators, address
    )


def _moved(luck: random.Random, spot: Spot) -> Spot:
    """Return the same provider and city with another network."""
    fresh = _spot(luck, spot.country or "", (spot.latitude or 0, spot.longitude or 0), 0)
    return Spot(spot.country, fresh.latitude, fresh.longitude, spot.asn, fresh.address, spot.radius_km)


def main() -> None:
    """Print the table and write the picture."""
    tally = simulate(Policy())
    print("\n".join(table(tally)))
    PICTURE.write_text(picture(tally), encoding="utf-8")


if __name__ == "__main__":
    main()
