"""Telephone numbers: read, shown, and compared with where texts may go."""

from __future__ import annotations

from collections.abc import Iterable

from ostiary.core.errors import FieldError, InvalidFields

LONGEST_TYPED = 40


def read_number(typed: str) -> str:
    """Return a mobile number in E.164 form.

    It has to be written with its country: what a national number means depends on where one stands. Numbers that
    cost more than a text, and those that no device holds (SP 800-63B-4 3.1.3.1: no VoIP), are refused.

    Raises:
        InvalidFields: It is no mobile number.
    """
    import phonenumbers  # noqa: PLC0415 - 30 ms and 3 MB that only who adds a number should pay

    if len(typed) > LONGEST_TYPED or not typed.strip().startswith("+"):
        raise unfit("Write it with + and the country's prefix, such as +46 70 123 45 67.", "no-country")
    try:
        number = phonenumbers.parse(typed, None)
    except phonenumbers.NumberParseException:
        raise unfit("This is no telephone number.", "malformed") from None
    kinds = phonenumbers.PhoneNumberType
    may = (kinds.MOBILE, kinds.FIXED_LINE_OR_MOBILE)
    if number.extension or not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in may:
        raise unfit("This is no mobile number that texts can go to.", "not-mobile")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def masked(number: str) -> str:
    """Return a number that its owner recognises and nobody else can use: `+46 ••• 67`."""
    import phonenumbers  # noqa: PLC0415

    return f"+{phonenumbers.parse(number, None).country_code} ••• {number[-2:]}"


def allowed_prefix(number: str, prefixes: Iterable[str], barred: Iterable[str]) -> str | None:
    """Return the longest allowed prefix of a number, or None if none is, or a longer one is barred."""
    fitting = max((prefix for prefix in prefixes if number.startswith(prefix)), key=len, default="")
    shut = max((prefix for prefix in barred if number.startswith(prefix)), key=len, default="")
    return fitting if len(fitting) > len(shut) else None


def unfit(words: str, code: str) -> InvalidFields:
    """Return the refusal of a number."""
    return InvalidFields(errors=(FieldError("number", words, code),))
