"""What a password may be: long enough, and not one that a program guesses (R4)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ostiary.core.errors import FieldError, Problem
from ostiary.core.hashing import normalise


class PasswordSettings(BaseModel):
    """How long, how hard to guess, and which words are too near."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Literal["default", "nist"] = Field(
        default="default", description="`nist` asks for 15 characters, 8 with a second factor (SP 800-63B-4, 3.1.1.2)."
    )
    shortest: int = Field(default=12, ge=8, le=64, description="Characters of a password that stands alone.")
    shortest_with_second_factor: int = Field(default=8, ge=8, le=64, description="Characters beside a second factor.")
    longest: int = Field(default=256, ge=64, le=4096, description="Characters; bounds the work, cuts nothing off.")
    fewest_guesses: float = Field(default=1e9, ge=1e6, description="Estimated guesses that a password must withstand.")
    fewest_guesses_with_second_factor: float = Field(default=1e6, ge=1e4, description="The same, with a second factor.")
    extra_words: frozenset[str] = Field(default=frozenset(), description="Your company, products, town: known to all.")
    breaches: Literal["filter", "range", "off"] = Field(
        default="filter", description="Where breached passwords are looked up; `range` asks a service, too."
    )
    breach_filter: Path | None = Field(
        default=None,
        description="A file of `ostiary breach build`, from the data folder; default the small shipped one.",
    )
    range_url: str = Field(
        default="https://api.pwnedpasswords.com/range/",
        pattern=r"^https?://[^\s?#]+/$",
        description="The service, asked with the first five digits of a SHA-1 behind it.",
    )
    range_timeout: timedelta = Field(
        default=timedelta(seconds=1), description="How long the service is waited for; then a password passes without."
    )
    change_breached: bool = Field(
        default=True, description="Whether a breached password that signs in has to be replaced at once."
    )

    def floor(self, *, second_factor: bool) -> int:
        """Return the characters that a password needs."""
        if second_factor:
            return self.shortest_with_second_factor
        return max(15, self.shortest) if self.profile == "nist" else self.shortest


class WeakPassword(Problem):
    """The password is short, common, personal or easy to guess; the answer says which and what to do."""

    slug = "weak-password"
    title = "This password is too easy to guess."
    status = 422


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a password is refused: a code for programs, a sentence for the person."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PasswordVerdict:
    """What the policy thinks of a password; holds nothing of the password itself.

    Attributes:
        acceptable: No reason was found against it.
        score: 0 (worst) to 4, by powers of ten of the guesses.
        guesses: Estimated attempts until a guessing program has it.
        reasons: Why it is refused; empty if acceptable.
        warnings: What makes it weak, also where it passes.
        suggestions: What would make it stronger.
    """

    acceptable: bool
    score: int
    guesses: float
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]
    suggestions: tuple[str, ...]

    def against(self, reason: Reason) -> PasswordVerdict:
        """Return this verdict with one more reason against the password."""
        suggestions = self.suggestions or (_ADVICE,)
        return replace(self, acceptable=False, score=0, reasons=(*self.reasons, reason), suggestions=suggestions)

    def require(self, field: str) -> None:
        """Go on only with a password that passes.

        Raises:
            WeakPassword: One error for each reason on `field`; `extra` carries the other members.
        """
        if self.acceptable:
            return
        raise WeakPassword(
            errors=tuple(FieldError(field, reason.sentence, reason.code) for reason in self.reasons),
            extra={
                "score": self.score, "guesses": self.guesses, "warnings": list(self.warnings),
                "suggestions": list(self.suggestions),
            },
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """Weighs passwords for one service.

    Pure and without I/O. One weighing takes up to some 15 ms of CPU (two
    windows of `_SEEN` characters): run it in the hashing pool, not on the loop.

    Attributes:
        settings: The numbers.
        service_name: Refused as the body of a password, as are its parts.
    """

    settings: PasswordSettings
    service_name: str = "Ostiary"

    def weigh(
        self,
        password: str,
        *,
        username: str | None = None,
        email: str | None = None,
        full_name: str | None = None,
        second_factor: bool = False,
    ) -> PasswordVerdict:
        """Return a verdict on the whole password; there are no rules of composition.

        Weighed is the form that is hashed, NFKC, or common passwords in other
        letters would pass; its code points count (SP 800-63B-4, 3.1.1.2).
        """
        settings = self.settings
        if len(password) > 4 * settings.longest:  # composing shortens to a third at most
            return _refused_unread(_too_long(settings.longest))
        if any("\ud800" <= character <= "\udfff" for character in password):
            return _refused_unread(Reason("not-text", "This password contains characters that are not text."))
        text = normalise(password)
        if len(text) > settings.longest:
            return _refused_unread(_too_long(settings.longest))

        context = _context_words(self.service_name, username, email, full_name, *sorted(settings.extra_words))
        enough = settings.fewest_guesses_with_second_factor if second_factor else settings.fewest_guesses
        estimate = _estimate(text, context, enough)
        reasons = tuple(_reasons(text, context, estimate.guesses, settings.floor(second_factor=second_factor), enough))
        suggestions = estimate.suggestions or ((_ADVICE,) if reasons else ())
        return PasswordVerdict(not reasons, estimate.score, estimate.guesses, reasons, estimate.warnings, suggestions)

    def check(
        self,
        password: str,
        *,
        username: str | None = None,
        email: str | None = None,
        full_name: str | None = None,
        second_factor: bool = False,
        field: str = "password",
    ) -> PasswordVerdict:
        """Return the verdict on a password that passes.

        Raises:
            WeakPassword: It does not; see `PasswordVerdict.require`.
        """
        verdict = self.weigh(password, username=username, email=email, full_name=full_name, second_factor=second_factor)
        verdict.require(field)
        return verdict


_ADVICE = "Use a few unrelated words, or let your password manager make one up."


def _too_long(longest: int) -> Reason:
    return Reason("too-long", f"Use at most {longest} characters.")


def _refused_unread(reason: Reason) -> PasswordVerdict:
    return PasswordVerdict(acceptable=False, score=0, guesses=0.0, reasons=(reason,), warnings=(), suggestions=())


def _reasons(text: str, context: tuple[str, ...], guesses: float, floor: int, enough: float) -> Iterator[Reason]:
    if len(text) < floor:
        yield Reason("too-short", f"Use at least {floor} characters; this password has {len(text)}.")
    if _is_common(text):
        yield Reason("common", "This is one of the passwords that most people use, or nearly.")
    elif _is_made_of(text, context):
        yield Reason("personal", "This is little more than your name, your address or the name of this service.")
    elif guesses < enough:
        yield Reason(
            "guessable",
            f"A guessing program finds this in about {_rounded(guesses)} attempts; {_rounded(enough)} are the least.",
        )


def _rounded(guesses: float) -> str:
    return f"{float(f'{guesses:.1g}'):,.0f}"


# --- The computed blocklist ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Estimate:
    guesses: float
    score: int
    warnings: tuple[str, ...]
    suggestions: tuple[str, ...]


# Guessing starts at either end, and a part cannot be harder to guess than the whole. So an estimate of the
# first 32 characters never flatters, and 32 are three times what the strictest number here needs. If they
# are not enough (thirty times "a"), the last 32 may be. Work grows with the cube of what is seen: the
# library by itself takes 1.9 s for 72 characters made of look-alike signs, an attack on the event loop.
_SEEN = 32


def _estimate(text: str, context: tuple[str, ...], enough: float) -> _Estimate:
    from zxcvbn import feedback, time_estimates  # noqa: PLC0415 - 40 ms and its word lists, for those who set passwords

    # Our own mapping: the library keeps the words of the last caller in a global, shared by all threads.
    words = {**_word_lists(), "user_inputs": {word: rank for rank, word in enumerate(context, 1)}}
    guesses, sequence = _guess(text[:_SEEN], words)
    if guesses < enough and len(text) > _SEEN:
        guesses, sequence = max(_guess(text[-_SEEN:], words), (guesses, sequence), key=lambda found: found[0])
    score = int(time_estimates.guesses_to_score(guesses))
    advice = feedback.get_feedback(score, sequence)
    warnings = (str(advice["warning"]),) if advice["warning"] else ()
    return _Estimate(guesses, score, warnings, tuple(str(line) for line in advice["suggestions"]))


_Match = dict[str, Any]  # the library's own shape
_Words = Mapping[str, Mapping[str, int]]


@cache
def _word_lists() -> Mapping[str, Mapping[str, int]]:
    from zxcvbn import matching  # noqa: PLC0415 - see `_estimate`

    return {name: ranks for name, ranks in matching.RANKED_DICTIONARIES.items() if name != "user_inputs"}


_YEARS = {"recent_year": re.compile(r"19\d\d|20[0-4]\d")}  # the library's list ends in 2019


def _guess(text: str, words: _Words) -> tuple[float, list[_Match]]:
    """Return the guesses that a text takes, and the parts that they follow from.

    The scoring and the patterns of keys, sequences and dates are zxcvbn's
    (Wheeler, USENIX Security 2016). Words, substitutions and repeats are
    searched here, with bounds that the library lacks.
    """
    from zxcvbn import matching, scoring  # noqa: PLC0415 - see `_estimate`

    if not text:
        return 1.0, []
    matches = [
        *_plain_words(text, _small(text), words),
        *_reversed_words(text, words),
        *_disguised_words(text, words),
        *matching.spatial_match(text),
        *matching.sequence_match(text),
        *matching.regex_match(text, _regexen=_YEARS),
        *matching.date_match(text),
        *_repeats(text, words),
    ]
    matches.sort(key=lambda match: (match["i"], match["j"]))
    result = scoring.most_guessable_match_sequence(text, matches)
    return float(result["guesses"]), result["sequence"]


_LONGEST_WORD = 23  # of the library's lists
_DISGUISES = {
    "4": "a", "@": "a", "8": "b", "(": "c", "{": "c", "[": "c", "<": "c", "3": "e", "6": "g", "9": "g", "1": "il",
    "!": "i", "|": "il", "7": "lt", "0": "o", "$": "s", "5": "s", "+": "t", "%": "x", "2": "z",
}  # fmt: skip


def _small(text: str) -> str:
    """Return the text in small letters, each in its place: some grow to two when folded."""
    return "".join(small if len(small := character.lower()) == 1 else character for character in text)


def _plain_words(text: str, read_as: str, words: _Words) -> Iterator[_Match]:
    for start in range(len(text)):
        for end in range(start + 1, min(len(text), start + _LONGEST_WORD) + 1):
            word = read_as[start:end]
            for name, ranks in words.items():
                if rank := ranks.get(word):
                    yield {
                        "pattern": "dictionary", "i": start, "j": end - 1, "token": text[start:end],
                        "matched_word": word, "rank": rank, "dictionary_name": name, "reversed": False, "l33t": False,
                    }  # fmt: skip


def _reversed_words(text: str, words: _Words) -> Iterator[_Match]:
    last = len(text) - 1
    for match in _plain_words(text[::-1], _small(text)[::-1], words):
        place = {"i": last - match["j"], "j": last - match["i"]}
        yield match | place | {"token": match["token"][::-1], "reversed": True}


def _disguised_words(text: str, words: _Words) -> Iterator[_Match]:
    """Yield words with signs for letters; at most eight readings, as three signs stand for two letters each."""
    small = _small(text)
    signs = sorted(_DISGUISES.keys() & set(small))
    for letters in product(*(_DISGUISES[sign] for sign in signs)) if signs else ():
        reading = dict(zip(signs, letters, strict=True))
        read_as = "".join(reading.get(character, character) for character in small)
        for match in _plain_words(text, read_as, words):
            used = {sign: letter for sign, letter in reading.items() if sign in match["token"]}
            if used and len(match["token"]) > 1:
                yield match | {"l33t": True, "sub": used}


_REPEAT_MOST = re.compile(r"(.+)\1+", re.DOTALL)
_REPEAT_LEAST = re.compile(r"(.+?)\1+", re.DOTALL)


def _repeats(text: str, words: _Words) -> Iterator[_Match]:
    """Yield what is said again at once; the cheaper reading counts, `aabaab` as twice `aab`."""
    start = 0
    while (most := _REPEAT_MOST.search(text, start)) and (least := _REPEAT_LEAST.search(text, start)):
        found = most if len(most[0]) > len(least[0]) else least
        unit = _REPEAT_LEAST.fullmatch(found[0])
        base = unit[1] if unit else found[1]
        guesses, parts = _guess(base, words)
        yield {
            "pattern": "repeat", "i": found.start(), "j": found.end() - 1, "token": found[0], "base_token": base,
            "base_guesses": Decimal(guesses), "base_matches": parts, "repeat_count": len(found[0]) // len(base),
        }  # fmt: skip
        start = found.end()


# --- Lists: the whole password is compared (SP 800-63B-4, 3.1.1.2; ASVS 6.2.4, 6.2.11) -------------------

_READINGS = (str.maketrans("4@8301!5$7+", "aabeoiisstt"), str.maketrans("4@8301!5$7+", "aabeolisslt"))
_UNSHIFTED = str.maketrans('!@#$%^&*()_+{}|:"<>?~', "1234567890-=[]\\;',./`")


def _forms(text: str) -> set[str]:
    """Return the readings of a text that a guessing program tries first."""
    small = text.casefold()
    plain = {small, small.translate(_UNSHIFTED), *(small.translate(reading) for reading in _READINGS)}
    return plain | {form[::-1] for form in plain}


def _is_common(text: str) -> bool:
    """Tell whether a password is a common one, or a common word with some digits and signs put to it."""
    lists = _word_lists()
    if any(form in lists["passwords"] for form in _forms(text)):
        return True
    core = "".join(character for character in text.casefold() if character.isalpha())
    digits = sum(character.isdigit() for character in text)
    if len(core) < 4 or digits > 4 or len(text) - len(core) - digits > 3:
        return False
    return any(core in ranks for ranks in lists.values())


_MOST_BESIDES = 5  # letters and digits beside the words of context that do not make a password of their own


def _is_made_of(text: str, context: tuple[str, ...]) -> bool:
    """Tell whether little is left of a password without the words that belong to its owner or the service."""
    for form in _forms(text):
        rest = form
        for word in context:  # longest first
            rest = rest.replace(word, " ")
        if rest != form and sum(character.isalnum() for character in rest) <= _MOST_BESIDES:
            return True
    return False


def _context_words(*texts: str | None) -> tuple[str, ...]:
    """Return the words of these texts, whole and in parts, with and without accents, longest first."""
    found: set[str] = set()
    for text in texts:
        small = normalise((text or "")[:320]).casefold()
        parts = [part for part in re.split(r"[\W_]+", small) if part]
        if "@" in small:
            parts = parts[:-1]  # everybody's address ends in com
            small = small.rpartition("@")[0]
        found.update(parts, ["".join(re.split(r"[\W_]+", small)), small])
    bare = {"".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c)) for word in found}
    return tuple(sorted((word for word in found | bare if len(word) >= 3), key=lambda word: (-len(word), word)))
