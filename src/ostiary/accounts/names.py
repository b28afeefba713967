"""What a username may be, and when two of them look the same (R1)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from ostiary.core.errors import FieldError, InvalidFields

RESERVED = frozenset(
    """
    abuse account accounts admin administrator anonymous api assets auth billing contact daemon email everyone false
    ftp guest help hostmaster imap info localhost login logout mail mailer mailer-daemon me metrics moderator news
    nobody noc none noreply no-reply null oauth official oidc operator ostiary owner password passwords pop3
    postmaster privacy profile register registration root security self service session sessions settings signin
    signout signup smtp ssl staff static status sudo superuser support sysadmin sysop system team test token true
    undefined unknown usenet user username users uucp webmaster well-known www
    """.split()  # noqa: SIM905 - a list of words reads best as words
)


class UsernameSettings(BaseModel):
    """What the keeper of the house may say about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reserved_also: frozenset[str] = Field(default=frozenset(), description="Names refused besides the built-in list.")
    alphabet: Literal["any", "ascii"] = Field(
        default="any", description="`any`: the letters of one writing system a name; `ascii`: a to z only."
    )
    refuse_digit_runs: bool = Field(default=False, description="Refuse names with more digits in a row than below.")
    longest_digit_run: int = Field(default=4, ge=1, le=50, description="A year passes, a telephone number does not.")


@dataclass(frozen=True, slots=True)
class Username:
    """A name that passed.

    Attributes:
        shown: As typed, in NFC.
        key: Equal for names that differ only in case; what a lookup compares.
        skeleton: Equal for names that look the same on a screen (UTS #39,
            section 4); unique among accounts, never used to find one.
    """

    shown: str
    key: str
    skeleton: str


def check_username(text: str, settings: UsernameSettings, *, field: str = "username") -> Username:
    """Return the name that this text is.

    Raises:
        InvalidFields: One error, in words for the person, for the first rule it breaks.
    """
    if len(text) > 200:
        _refuse(field, "too-long", "Use at most 50 characters.")
    shown = unicodedata.normalize("NFC", text)  # macOS hands over decomposed letters
    _check_shape(shown, settings, field)
    if not shown.isascii():
        _check_letters(shown, settings, field)

    name = Username(shown, name_key(shown), skeleton(shown))
    if _is_reserved(name, settings.reserved_also):
        _refuse(field, "reserved", "This name is kept for the service itself. Please choose another.")
    return name


def name_key(text: str) -> str:
    """Return what two names are compared by: NFKC and full case folding.

    Applying it to its own result changes nothing (Unicode, D147): folding can
    undo normal form and the reverse, hence the second round. Of a text that is
    too long for any name the start will do.
    """
    text = text[:200]
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", folded.casefold())


def skeleton(shown: str) -> str:
    """Return a text that is equal for names which look the same (UTS #39, section 4).

    Case is folded first, so that `rnira` and `Mira` meet, but for the capital
    I: to the eye it is a small l, and `paypaI` must meet `paypal`.
    """
    drawn = _drawn(name_key(shown.replace("I", "l")))
    return unicodedata.normalize("NFD", name_key(drawn))


def _drawn(text: str) -> str:
    prototypes = _prototypes()
    return "".join(prototypes.get(character, character) for character in unicodedata.normalize("NFD", text))


def _refuse(field: str, code: str, message: str) -> NoReturn:
    raise InvalidFields(errors=(FieldError(field, message, code),))


_SIGNS = frozenset("_-")
_DIGITS = frozenset("0123456789")
_ALLOWED_KINDS = frozenset({"Lu", "Ll", "Lo", "Mn", "Mc"})
_JAPANESE_SIGNS = frozenset("\u30fc\u3005")  # the long vowel and the repeat sign: letters by use, not by category
# Letters by category that draw nothing (UAX #44, Default_Ignorable), and loose Hangul parts, which
# have a composed form for everything that is written today.
_INVISIBLE_OR_LOOSE = re.compile("[\u1100-\u11ff\u17b4\u17b5\u180b-\u180f\ua960-\ua97c\ud7b0-\ud7fb\ufe00-\ufe0f]")


def _check_shape(shown: str, settings: UsernameSettings, field: str) -> None:
    if len(shown) < 3:
        _refuse(field, "too-short", "Use at least 3 characters.")
    if len(shown) > 50:
        _refuse(field, "too-long", "Use at most 50 characters.")
    if "@" in shown:
        _refuse(field, "at-sign", "A name has no @, so that nobody takes it for an address.")
    if not all(_may_stand(character) for character in shown):
        _refuse(field, "characters", "Use letters, digits, _ and - only.")
    if not any(character not in _SIGNS for character in shown):
        _refuse(field, "characters", "Use at least one letter or digit.")
    if settings.refuse_digit_runs and re.search(rf"[0-9]{{{settings.longest_digit_run + 1},}}", shown):
        _refuse(field, "digit-run", f"Use at most {settings.longest_digit_run} digits in a row.")


def _may_stand(character: str) -> bool:
    if character in _SIGNS or character in _DIGITS or character in _JAPANESE_SIGNS:
        return True  # digits of other scripts are refused: several look like our letters o, l and v
    return unicodedata.category(character) in _ALLOWED_KINDS and not _INVISIBLE_OR_LOOSE.match(character)


# Writing systems that one word mixes by nature (UTS #39, section 5.1, without the Latin that it would add).
_TOGETHER = (
    frozenset({"HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"HAN", "BOPOMOFO"}),
    frozenset({"HAN", "HANGUL"}),
)
_SPELLING_SCRIPTS = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN"})


def _check_letters(shown: str, settings: UsernameSettings, field: str) -> None:
    if settings.alphabet == "ascii":
        _refuse(field, "characters", "Use the letters a to z, digits, _ and - only.")
    if unicodedata.normalize("NFKC", shown) != shown:
        _refuse(field, "look-alike", "Some letters are special forms of others. Please use the ordinary letters.")
    scripts = {_script(character) for character in shown} - {"COMMON", "INHERITED"}
    if len(scripts) > 1 and not any(scripts <= allowed for allowed in _TOGETHER):
        _refuse(field, "mixed-scripts", "Use the letters of one writing system only.")
    strays = {character for character in shown if not character.isascii() and _script(character) == "COMMON"}
    if not scripts or "Unknown" in scripts or (strays and not (strays <= _JAPANESE_SIGNS and scripts <= _TOGETHER[0])):
        _refuse(field, "characters", "Use letters, digits, _ and - only.")
    _check_marks(shown, bare=bool(scripts & _SPELLING_SCRIPTS), field=field)
    if "LATIN" in scripts and not _LIVING_LATIN.fullmatch(shown):
        _refuse(field, "look-alike", "Some letters are special forms of others. Please use the ordinary letters.")
    if _poses_as_latin(shown, scripts):
        _refuse(field, "look-alike", "This name looks like another one in Latin letters. Please choose another.")


# The letters that languages spell with: Europe's, Vietnam's and Africa's; not the small capitals,
# clicks and phonetic signs that redraw `admin` letter by letter.
_LIVING_LATIN = re.compile(
    "[-_0-9A-Za-z\u00c0-\u01bf\u01cd-\u024f\u1e00-\u1eff\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u0283\u028a\u028b\u0292]*"
)


def _check_marks(shown: str, *, bare: bool, field: str) -> None:
    """Refuse marks heaped on letters; vowel signs of scripts that have them pass, two in a row."""
    run = 0
    for before, character in zip("\0" + shown, shown, strict=False):
        run = run + 1 if unicodedata.category(character)[0] == "M" else 0
        stray = run == 1 and unicodedata.category(before)[0] != "L"
        if stray or run > 2 or (run and (bare or _script(character) == "INHERITED")):
            _refuse(field, "characters", "Some letters carry marks that a name cannot have.")


def _poses_as_latin(shown: str, scripts: set[str]) -> bool:
    """Tell whether a name is drawn like one in plain a to z without being it.

    A Cyrillic or Greek name may use letters that look Latin as long as one
    letter shows what it is. In a Latin name no letter may pose as another;
    those of European spelling (up to U+017F, such as the Turkish dotless i) are
    themselves, and only the skeleton keeps two such accounts apart.
    """
    if scripts == {"LATIN"}:
        return any(ord(c) > 0x17F and (_drawn(c).isascii() or skeleton(c).isascii()) for c in shown)
    return _drawn(shown).isascii() or skeleton(shown).isascii()


def _is_reserved(name: Username, also: frozenset[str]) -> bool:
    reserved, reserved_skeletons = _reserved_forms(also)
    bare = _bare(name.key)
    if bare in reserved or _bare(name.skeleton) in reserved_skeletons:
        return True
    # Digits for letters, as in adm1n and r00t. Those at the end are left: user5 and test2 pose as nobody.
    head = bare.rstrip("0123456789")
    tail = bare[len(head) :]
    return any(head.translate(table) + tail in reserved for table in _LETTERS_FOR_DIGITS)


_LETTERS_FOR_DIGITS = (str.maketrans("013457", "oieast"), str.maketrans("013457", "oleast"))


@lru_cache(maxsize=8)
def _reserved_forms(also: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    words = {unicodedata.normalize("NFC", word) for word in RESERVED | also}
    return frozenset(_bare(name_key(word)) for word in words), frozenset(
        _bare(skeleton(form)) for word in words for form in (word, word.casefold())
    )


def _bare(text: str) -> str:
    return text.replace("-", "").replace("_", "")


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    from confusable_homoglyphs import categories  # noqa: PLC0415 - 40 ms and 5 MB that a plain ASCII house never needs

    return str(categories.alias(character))


@cache
def _prototypes() -> dict[str, str]:
    """Return each character's prototype, from Unicode's table of confusables.

    The package lists likenesses both ways: a prototype names all its
    likenesses, each of them names the prototype alone.
    """
    from confusable_homoglyphs.confusables import confusables_data  # noqa: PLC0415 - see `_script`

    found: dict[str, str] = {}
    for character, likenesses in confusables_data.items():
        if len(character) != 1 or len(likenesses) != 1:
            continue
        target = str(likenesses[0]["c"])
        is_pair = len(confusables_data.get(target, ())) == 1  # either could be the prototype: take the smaller
        if not is_pair or (len(target), target) < (1, character):
            found[character] = target.strip("\u200e\u200f")
    return found
