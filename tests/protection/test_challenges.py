"""Work instead of refusal: what proves, for whom, and once (R12)."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from typing import Any, ClassVar

import altcha
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.house import API, PASSWORD, OpenHouse, client_of, register
from tests.protection.attempts import WRONG, attempt, device_cookie, packed, shape, solved, statuses, unpacked

from ostiary.core.clock import ManualClock, millis
from ostiary.core.keyring import Key, KeyRing
from ostiary.core.limits import Limiter, MemoryLimiter
from ostiary.core.secrets import Macs
from ostiary.protection import Challenges, ChallengeSettings
from ostiary.wiring import Ostiary

EASY: dict[str, Any] = {"challenge": {"difficulty": 8}}
MIRA = "login mira"


def ring_of(*keys: Key) -> KeyRing:
    ring = KeyRing()
    ring.replace([Key("index", "index", "HKDF-SHA256", b"i" * 32, 0, 0, None, None), *keys])
    return ring


def key(name: str, activates_at: int = 0, *, retires_at: int | None = None, expires_at: int | None = None) -> Key:
    return Key(name, "mac", "HKDF-SHA256", name.encode() * 32, 0, activates_at, retires_at, expires_at)


def room(ring: KeyRing, clock: ManualClock, limiter: Limiter | None = None, **settings: Any) -> Challenges:  # noqa: ANN401
    chosen = ChallengeSettings(**({"difficulty": 4} | settings))
    return Challenges(MemoryLimiter(clock) if limiter is None else limiter, Macs(ring, clock), clock, chosen)


@pytest.fixture
def challenges(clock: ManualClock) -> Challenges:
    """A room with one key and easy work."""
    return room(ring_of(key("a")), clock)


class TestASolution:
    async def test_it_is_good_once(self, challenges: Challenges) -> None:
        solution = solved(challenges.issue(MIRA))

        assert [await challenges.spend(solution, MIRA) for _ in range(3)] == [True, False, False]

    async def test_another_spelling_of_a_used_one_is_used_too(self, challenges: Challenges) -> None:
        challenge, solution = unpacked(solved(challenges.issue(MIRA)))
        assert await challenges.spend(packed(challenge, solution), MIRA)

        for more in ({"time": 1}, {"counter": 0}, {"derivedKey": solution["derivedKey"], "more": [1]}):
            assert not await challenges.spend(packed(challenge | {"x": 1}, solution | more), MIRA)

    async def test_it_is_good_for_its_subject_alone(self, challenges: Challenges) -> None:
        solution = solved(challenges.issue(MIRA))

        for other in ("login nora", "signup mira", "login mir", "login mira ", ""):
            assert not await challenges.spend(solution, other)
        assert await challenges.spend(solution, MIRA), "a wrong guess of the subject uses nothing up"

    async def test_it_is_too_late_after_its_lifetime(self, challenges: Challenges, clock: ManualClock) -> None:
        first, second = solved(challenges.issue(MIRA)), solved(challenges.issue(MIRA))
        clock.advance(minutes=4, seconds=59)
        assert await challenges.spend(first, MIRA)

        clock.advance(seconds=1)

        assert not await challenges.spend(second, MIRA)

    async def test_it_stays_used_until_no_clock_takes_it(self, clock: ManualClock) -> None:
        late, ring = ManualClock(clock.now() - 59_000), ring_of(key("a"))
        limiter = MemoryLimiter(clock)
        here, there = room(ring, clock, limiter), room(ring, late, limiter)
        solution = solved(here.issue(MIRA))
        assert await here.spend(solution, MIRA)

        clock.advance(minutes=5, seconds=58)
        late.advance(minutes=5)

        assert not await there.spend(solution, MIRA)

    async def test_of_a_thousand_uses_at_once_one_wins(self, house: Ostiary, open_house: OpenHouse) -> None:
        other = await open_house(work=False)
        rooms = [house.protection.challenges, other.protection.challenges]
        easy = Challenges(
            house.limiter, house.macs, house.clock, ChallengeSettings(difficulty=1)
        )  # as theirs, but quickly solved
        solution = solved(easy.issue(MIRA))

        won = await asyncio.gather(*(rooms[number % 2].spend(solution, MIRA) for number in range(1000)))

        assert won.count(True) == 1

    async def test_off_means_off(self, clock: ManualClock) -> None:
        ring = ring_of(key("a"))
        solution = solved(room(ring, clock).issue(MIRA))
        closed = room(ring, clock, when="off")

        assert not closed.are_offered
        assert not await closed.spend(solution, MIRA)


class TestWhatProvesNothing:
    BENT: ClassVar[tuple[tuple[str, object], ...]] = (
        ("algorithm", "SHA-256"), ("cost", 1), ("cost", 501), ("cost", "500"), ("cost", 500.5), ("keyLength", 16),
        ("keyPrefix", ""), ("keyPrefix", "00" * 16), ("keySignature", "00" * 32), ("keySignature", None),
        ("nonce", "00" * 16), ("salt", "00" * 16), ("expiresAt", 9_999_999_999), ("expiresAt", None),
        ("data", {}), ("data", {"key": "b", "tries": 8}), ("data", {"key": "a", "tries": 1}), ("data", None),
        ("memoryCost", 8), ("__proto__", {}), ("algorithm", "PBKDF2/SHA-256 "),
    )  # fmt: skip

    @pytest.mark.parametrize(("name", "value"), BENT)
    async def test_a_bent_challenge(self, challenges: Challenges, name: str, value: object) -> None:
        challenge, solution = unpacked(solved(challenges.issue(MIRA)))
        challenge["parameters"][name] = value

        assert not await challenges.spend(packed(challenge, solution), MIRA)

    async def test_one_of_another_house(self, clock: ManualClock) -> None:
        foreign = room(ring_of(Key("a", "mac", "HKDF-SHA256", b"z" * 32, 0, 0, None, None)), clock)

        assert not await room(ring_of(key("a")), clock).spend(solved(foreign.issue(MIRA)), MIRA)

    async def test_one_without_work(self, challenges: Challenges) -> None:
        challenge, solution = unpacked(solved(challenges.issue(MIRA)))
        right = solution["derivedKey"]
        guessed = [
            challenge["parameters"]["keyPrefix"] + "00" * 16, right[:-2] + f"{int(right[-2:], 16) ^ 1:02x}", "00" * 32,
            right[:32], right + "00", right.upper() + " ", "",
        ]  # fmt: skip

        for text in guessed:
            assert not await challenges.spend(packed(challenge, {"counter": 0, "derivedKey": text}), MIRA), text
        assert await challenges.spend(packed(challenge, solution), MIRA)

    async def test_a_solution_of_another_challenge(self, challenges: Challenges) -> None:
        (one, _), (_, other) = (unpacked(solved(challenges.issue(MIRA))) for _ in range(2))

        assert not await challenges.spend(packed(one, other), MIRA)

    @pytest.mark.parametrize("signature", ["", "00" * 32, None, 7, "é" * 64])
    async def test_a_signature_that_is_none(self, challenges: Challenges, signature: object) -> None:
        challenge, solution = unpacked(solved(challenges.issue(MIRA)))

        assert not await challenges.spend(packed(challenge | {"signature": signature}, solution), MIRA)

    @pytest.mark.parametrize(
        "text", ["", "=", "e30=", "bnVsbA==", "é", "W" * 2048, "A" * 3000, b64encode(b"[" * 1500).decode()]
    )
    async def test_garbage(self, challenges: Challenges, text: str) -> None:
        assert not await challenges.spend(text, MIRA)

    async def test_a_long_one(self, challenges: Challenges) -> None:
        challenge, solution = unpacked(solved(challenges.issue(MIRA)))

        assert not await challenges.spend(packed(challenge, solution | {"time": "x" * 2000}), MIRA)

    @given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda raw: b64encode(raw).decode())))
    def test_anything_else(self, text: str) -> None:
        assert not asyncio.run(room(ring_of(key("a")), ManualClock()).spend(text, MIRA))

    @given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.dictionaries(
        st.sampled_from(["challenge", "solution", "parameters", "signature", "derivedKey", "data"]), inner, max_size=3
    )))  # fmt: skip
    def test_any_other_json(self, value: object) -> None:
        text = b64encode(json.dumps(value).encode()).decode()

        assert not asyncio.run(room(ring_of(key("a")), ManualClock()).spend(text, MIRA))


class TestKeys:
    async def test_a_rotation_in_between_harms_nobody_and_a_destroyed_key_proves_nothing(
        self, clock: ManualClock
    ) -> None:
        now = clock.now()
        before, old = room(ring_of(key("a")), clock), key("a", retires_at=now)
        solution = solved(before.issue(MIRA))

        after = room(ring_of(old, key("b", now)), clock)
        assert after.issue(MIRA)["parameters"]["data"]["key"] == "b"
        assert not await room(ring_of(key("b", now)), clock).spend(solution, MIRA)
        assert not await room(ring_of(key("a", expires_at=now), key("b")), clock).spend(solution, MIRA)
        assert await after.spend(solution, MIRA)

    async def test_the_secret_of_one_purpose_or_subject_is_no_others(self, clock: ManualClock) -> None:
        macs = Macs(ring_of(key("a")), clock)
        found = {macs.secret(purpose, subject)[1] for purpose in ("x", "y", "x y") for subject in ("", "y", "z")}

        assert len(found) == 9
        assert macs.find_secret("x", "y", "a") == macs.secret("x", "y")[1]
        assert macs.find_secret("x", "y", "unknown") is None


class TestHowHard:
    async def test_the_work_grows_with_the_work_that_was_done_and_falls_again(
        self, challenges: Challenges, clock: ManualClock
    ) -> None:
        found = []
        for number in range(1, 161):
            solution = solved(challenges.issue(f"login {number}"))
            assert await challenges.spend(solution, f"login {number}")
            found.append(challenges.hardness)
        assert [found.count(step) for step in (1, 2, 4, 8)] == [9, 30, 120, 1]
        assert challenges.issue(MIRA)["parameters"]["data"]["tries"] == 2 * 4 * 8

        clock.advance(minutes=10)

        assert challenges.hardness == 1

    async def test_who_does_no_work_makes_it_no_harder(self, challenges: Challenges) -> None:
        solution = solved(challenges.issue(MIRA))
        for _ in range(100):
            challenges.issue(MIRA)
            await challenges.spend(solution, MIRA)
            await challenges.spend("garbage", MIRA)

        assert challenges.hardness == 1

    def test_the_number_lies_anywhere_in_the_range(self, challenges: Challenges) -> None:
        counters = [unpacked(solved(challenges.issue(MIRA)))[1]["counter"] for _ in range(200)]

        assert set(counters) == set(range(8))


class TestOtherClients:
    """The library of the ALTCHA project, as its users call it."""

    async def test_its_solver_solves_ours(self, challenges: Challenges) -> None:
        challenge = altcha.Challenge.from_dict(challenges.issue(MIRA))
        solution = altcha.solve_challenge(challenge)
        assert solution is not None

        assert await challenges.spend(altcha.Payload(challenge, solution).to_base64(), MIRA)

    def test_its_verifier_agrees(self) -> None:
        now = ManualClock(int(time.time() * 1000))  # the library looks at the machine's clock
        ring = ring_of(key("a"))
        solution, macs = solved(room(ring, now).issue(MIRA)), Macs(ring, now)

        result = altcha.verify_solution(
            solution, macs.secret("challenge", MIRA)[1], hmac_key_secret=macs.secret("challenge solution", MIRA)[1]
        )
        derived_again = altcha.verify_solution(solution, macs.secret("challenge", MIRA)[1])

        assert result.verified
        assert derived_again.verified


class TestAtTheDoor:
    """How a refusal carries it, and what its solution opens."""

    @pytest.fixture
    async def house(self, open_house: OpenHouse) -> Ostiary:
        opened: Ostiary = await open_house(work=False, protection=EASY)
        return opened

    @staticmethod
    async def locked(house: Ostiary, name: str, *, tries: int = 7) -> dict[str, Any]:
        """Have strangers lock a name, and return what another stranger's refusal carries."""
        for number in range(tries):
            async with client_of(house, f"198.51.100.{number}") as stranger:
                last = await attempt(stranger, name)
        found: dict[str, Any] = last.json()
        return found

    @staticmethod
    async def with_work(house: Ostiary, name: str, password: str, solution: str, address: str = "203.0.113.50") -> int:
        async with client_of(house, address) as client:
            body = {"login": name, "password": password, "challenge": solution}
            return (await client.post(f"{API}/login", json=body)).status_code

    async def test_a_locked_name_opens_for_who_does_the_work(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await register(outside)
        refused = await self.locked(house, "mira")
        assert refused["status"] == 423

        solution = solved(refused["challenge"])

        assert await self.with_work(house, "mira", WRONG, solution) == 401
        assert await self.with_work(house, "mira", PASSWORD, solution) == 423, "once"
        again = await self.locked(house, "mira", tries=1)
        assert await self.with_work(house, "MIRA", PASSWORD, solved(again["challenge"])) == 200

    async def test_the_first_refusal_of_a_name_carries_one_too(self, house: Ostiary) -> None:
        refused = await self.locked(house, "mira", tries=6)

        assert refused["status"] == 429
        assert await self.with_work(house, "mira", WRONG, solved(refused["challenge"])) == 401

    async def test_work_for_one_name_is_worth_nothing_for_another(self, house: Ostiary) -> None:
        mine = await self.locked(house, "mira")
        await self.locked(house, "nora")

        assert await self.with_work(house, "nora", WRONG, solved(mine["challenge"])) == 423

    async def test_known_and_unknown_names_get_the_same(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await register(outside)
        known, unknown = await self.locked(house, "mira"), await self.locked(house, "nobody")

        assert shape(known["challenge"]) == shape(unknown["challenge"])

    async def test_whom_the_address_limit_stops_gets_none(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        found = [await attempt(outside, "mira") for _ in range(8)]

        assert [answer.status_code for answer in found] == [401] * 5 + [429] + [423] * 2
        assert not any("challenge" in answer.json() for answer in found)
        assert await statuses(outside, "x", WRONG) == [429]
        refused = await self.locked(house, "mira", tries=1)
        assert await self.with_work(house, "mira", WRONG, solved(refused["challenge"]), "203.0.113.7") == 429

    async def test_a_known_device_that_locked_itself_gets_none(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        await register(outside)
        device = await device_cookie(outside, "mira")
        found = [await attempt(outside, "mira", cookie=device) for _ in range(7)]

        assert [answer.status_code for answer in found] == [401] * 5 + [429, 423]
        assert not any("challenge" in answer.json() for answer in found)

    async def test_the_keeper_can_switch_it_off(self, open_house: OpenHouse) -> None:
        house = await open_house(work=False, protection={"challenge": {"when": "off"}})

        assert "challenge" not in await self.locked(house, "mira")

    @pytest.mark.parametrize("solution", ["garbage", "", "e30="])
    async def test_a_solution_that_is_none_changes_nothing(self, house: Ostiary, solution: str) -> None:
        assert await self.with_work(house, "mira", WRONG, solution) == 401
        await self.locked(house, "mira")

        assert await self.with_work(house, "mira", WRONG, solution) == 423

    async def test_an_oversized_one_is_no_field(self, house: Ostiary) -> None:
        assert await self.with_work(house, "mira", WRONG, "x" * 2049) == 422

    async def test_one_made_on_one_process_is_spent_on_another(self, house: Ostiary, open_house: OpenHouse) -> None:
        other = await open_house(work=False, protection=EASY)
        refused = await self.locked(house, "mira")
        solution = solved(refused["challenge"])

        assert await self.with_work(other, "mira", WRONG, solution) == 401
        assert await self.with_work(house, "mira", WRONG, solution) == 423


def test_the_lifetime_is_the_settings(clock: ManualClock) -> None:
    issued = room(ring_of(key("a")), clock, lifetime="PT2M").issue(MIRA)

    assert issued["parameters"]["expiresAt"] == (clock.now() + millis(ChallengeSettings().lifetime)) // 1000 - 180
