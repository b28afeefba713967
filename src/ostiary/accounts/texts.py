"""Display text that is clean before it is stored (R3)."""

from __future__ import annotations

import re
import unicodedata

from ostiary.core.errors import FieldError, InvalidFields


def clean_display_text(text: str, longest: int = 100, *, field: str = "full_name") -> str:
    """Return the words of a text, without markup and without what does not show.

    The result is text, not HTML: templates escape it once more, so `&` stays
    `&`. Whatever would be markup, also after the entities in it are resolved
    (and those that this reveals), is gone; so are control characters,
    direction overrides that reorder a line, and characters of no width that
    make two texts look the same. Cleaning a clean text changes nothing.

    Args:
        text: What somebody typed or a provider sent.
        longest: Characters that the result may have.
        field: The field that an error names.

    Raises:
        InvalidFields: The text is too long, or wrapped in more layers than anybody wraps.
    """
    if len(text) > 4 * longest + 64:  # markup included; more is not worth cleaning
        raise _too_long(field, longest)
    for _ in range(_MOST_ROUNDS):
        cleaner = _without_markup(_visible(text))
        if cleaner == text:
            break
        text = cleaner
    else:
        raise InvalidFields(errors=(FieldError(field, "Please enter plain text.", "markup"),))
    if len(text) > longest:
        raise _too_long(field, longest)
    return text


_MOST_ROUNDS = 20  # one each for a tag in a tag and an entity in an entity; a legitimate text needs three


def _too_long(field: str, longest: int) -> InvalidFields:
    return InvalidFields(errors=(FieldError(field, f"Use at most {longest} characters.", "too-long"),))


# Blank by drawing though not by category (UAX #44, Default_Ignorable and friends): fillers, the joiner of
# graphemes, the braille blank; and the code points that are no characters.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufdd0-\ufdef\ufffc-\uffff]")
_UNSEEN_KINDS = frozenset({"Cc", "Cf", "Cs", "Co"})
_MOST_MARKS = 3  # Vietnamese and Hebrew need up to three on a letter; towers of them paint over their neighbours


def _visible(text: str) -> str:
    text = " ".join(_BLANK.sub("", text).split())  # first: a line break parts words, it does not vanish
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if kind not in _UNSEEN_KINDS and marks <= _MOST_MARKS:
            kept.append(character)
    return " ".join("".join(kept).split())


# A sign that no parser takes for the start of a tag, because of what follows it.
_OPENING = re.compile(r"<(?![\s\d=-])")
_PLAIN = re.compile(r"[^<>&]*")


def _without_markup(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    import nh3  # noqa: PLC0415 - 1.4 MB that only who cleans a text should pay

    shown = nh3.clean(text, tags=set())
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&amp;", "&")):
        shown = shown.replace(entity, character)  # exactly what the serialiser escapes; & last
    # Only where nothing else is left to do: a tag goes as a whole before its opening sign could go alone.
    return _OPENING.sub("", shown) if shown == text else shown
