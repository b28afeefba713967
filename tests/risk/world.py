"""Invented addresses with places, and a sign-in as the front desk makes it."""

from __future__ import annotations

import msgspec
from tests.house import PASSWORD

from ostiary.core.caller import Caller
from ostiary.core.secrets import new_id
from ostiary.registration import Application
from ostiary.risk import Assessment, Risk, RiskSettings
from ostiary.wiring import Ostiary


class Where(msgspec.Struct, frozen=True):
    """A place as a database of places tells it."""

    country: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    asn: int | None = None
    radius_km: float | None = None


BERLIN, MUNICH, VIENNA, TOKYO, NOWHERE = "192.0.2.1", "192.0.2.101", "198.51.100.1", "203.0.113.1", "10.0.0.1"


class Atlas:
    """Knows a few documentation addresses (RFC 5737)."""

    known = {  # noqa: RUF012 - never changed
        BERLIN: Where("DE", 52.52, 13.41, 64501, 20),
        MUNICH: Where("DE", 48.14, 11.58, 64502, 20),
        VIENNA: Where("AT", 48.21, 16.37, 64503),
        TOKYO: Where("JP", 35.68, 139.69, 64504, 20),
    }

    def __init__(self, *refused: str) -> None:
        self._refused = refused

    def find(self, address: str | None) -> Where | None:
        return self.known.get(address or "")

    def refuses(self, place: Where | None) -> bool:
        return place is not None and place.country in self._refused


def risk_of(house: Ostiary, *refused: str) -> Risk:
    """Return a judge over a house's own keys, who knows the atlas and refuses some countries."""
    return Risk(house.account_keys, Atlas(*refused), RiskSettings())


def caller_at(address: str, device_id: str | None = None) -> Caller:
    return Caller(request_id=f"r-{new_id(0)}", address=address, agent="Mozilla/5.0", device_id=device_id)


async def mira(house: Ostiary, name: str = "mira") -> str:
    """Register somebody and return the account's id."""
    application = Application(name, f"{name}@example.org", PASSWORD)
    return (await house.registration.register(caller_at(NOWHERE), application)).account.id


async def sign_in(
    house: Ostiary, risk: Risk, account_id: str, caller: Caller, *, known_device: bool = True, **signs: object
) -> tuple[Assessment, str | None]:
    """Do with a right password what the front desk does; return the verdict and, if accepted, the session's id.

    This is the whole use of the slice: look, act on `action`, learn in the unit that starts the session, and
    write the verdict in clear and the facts sealed.
    """
    async with house.database.unit(caller) as unit:
        account = await house.accounts.get(unit, account_id)
        found = await risk.look(unit, caller, account_id, known_device=known_device, **signs)  # type: ignore[arg-type]
        private = found.private()
        if found.action == "deny":  # the front desk raises WrongPassword here; the note is kept all the same
            unit.note("login.refused", account_id, reason="risk", risk=found.details(), private={"facts": private})
            return found, None
        session = await house.sessions.start(unit, account, methods=("pwd",), device_id=caller.device_id)
        await risk.learn(unit, account_id, found)
        unit.note(
            "login.succeeded", account_id, session_id=session.id, methods=["pwd"], risk=found.details(),
            private={"facts": private},
        )  # fmt: skip
    return found, session.id


def codes(found: Assessment) -> dict[str, int]:
    """Return the reasons' codes and weights."""
    return {reason.code: reason.weight for reason in found.reasons}
