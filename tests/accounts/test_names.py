from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.accounts.names import RESERVED, Username, UsernameSettings, check_username, name_key, skeleton
from ostiary.core.errors import InvalidFields

SETTINGS = UsernameSettings()


def refusal(text: str, settings: UsernameSettings = SETTINGS) -> str:
    with pytest.raises(InvalidFields) as refused:
        check_username(text, settings)
    (error,) = refused.value.errors
    assert error.field == "username"
    assert error.message.endswith(".")
    return error.code


def look(text: str) -> str:
    return check_username(text, SETTINGS).skeleton


NAMES = """
    mira Mira_J mira-99 a_b 123 user5 test2 testuser _x_ José Ørsted straße kadın Nguyễn łukasz Дмитрий Μίρα עברית
    田中さん スーパー 김철수 สมชาย fifty-fifty-fifty-fifty-fifty-fifty-fifty-fifty-50
""".split()  # noqa: SIM905 - a list of words reads best as words


@pytest.mark.parametrize("text", NAMES)
def test_letters_of_one_script_digits_underscore_and_hyphen_make_a_name(text: str) -> None:
    assert check_username(text, SETTINGS).shown == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ab", "too-short"),
        ("", "too-short"),
        ("m" * 51, "too-long"),
        ("m" * 100_000, "too-long"),
        ("mira@home", "at-sign"),
        ("mi ra", "characters"),
        ("mira.j", "characters"),
        ("mira\n", "characters"),
        ("mi\x00ra", "characters"),
        ("mi\u200bra", "characters"),
        ("mi\u202era", "characters"),
        ("mi\u00adra", "characters"),
        ("mi\ud800ra", "characters"),
        ("mira\u3164", "look-alike"),
        ("가\u1160나다", "characters"),
        ("mira🙂", "characters"),
        ("mi\u2010ra", "characters"),
        ("٣٤٥", "characters"),
        ("---", "characters"),
        ("ーーー", "characters"),
        ("miraー", "characters"),
        ("o\u02bcneil", "characters"),
        ("mir\u0301\u0302\u0303a", "characters"),
        ("z\u0335oe", "characters"),
    ],
)
def test_anything_else_is_refused(text: str, code: str) -> None:
    assert refusal(text) == code


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_names_are_refused(word: str) -> None:
    assert refusal(word) in {"reserved", "too-short"}


@pytest.mark.parametrize(
    "text", ["ADMIN", "Ad-min", "_root_", "a-p-i", "adm1n", "4dmin", "r00t", "t3st", "mai1", "rnail", "maiI", "SYSTEM"]
)
def test_a_reserved_name_is_refused_in_disguise_too(text: str) -> None:
    assert refusal(text) == "reserved"


def test_settings_add_reserved_names() -> None:
    settings = UsernameSettings(reserved_also=frozenset({"Acme", "jäger"}))

    assert [refusal(text, settings) for text in ("acme", "A-CM-E", "JÄGER", "a-cme")] == ["reserved"] * 4
    assert check_username("acmes", settings).key == "acmes"


@pytest.mark.parametrize("text", ["pаypal", "miраculous", "Μiра", "admіn", "mira田", "аdmin_שלום"])
def test_names_of_mixed_scripts_are_refused(text: str) -> None:
    assert refusal(text) == "mixed-scripts"


@pytest.mark.parametrize(
    "text",
    ["аррӏе", "роса", "ΑΒΕ", "ꓐꓲꓡꓡ", "ᏀᏒᎬ", "pɑypal", "ᴀdmin", "ｍｉｒａ", "ﬁona", "ǆon", "ªbc", "ǀǀǀ", "Ɩvan", "ƽam"],
)
def test_names_drawn_like_others_are_refused(text: str) -> None:
    assert refusal(text) == "look-alike"


def test_names_that_look_the_same_share_a_skeleton_and_keep_their_keys() -> None:
    for one, other in [
        ("paypal", "paypaI"),
        ("modern", "modem"),
        ("b0b", "bob"),
        ("al1", "all"),
        ("rnira", "Mira"),
        ("kadin", "kadın"),
    ]:
        assert look(one) == look(other)
        assert name_key(one) != name_key(other)
    assert look("mira") != look("miro")


def test_the_key_ignores_case_and_the_shown_name_keeps_it() -> None:
    assert check_username("MiRa", SETTINGS) == Username("MiRa", "mira", "rnira")
    assert name_key("STRASSE") == name_key("straße")
    assert name_key("Jose\u0301") == name_key("josé")


def test_dotless_and_dotted_i_are_two_keys() -> None:
    assert len({name_key("kadin"), name_key("kadın"), name_key("kadİn")}) == 3


def test_runs_of_digits_are_refused_where_the_setting_says_so() -> None:
    strict = UsernameSettings(refuse_digit_runs=True)

    assert check_username("mira491701234567", SETTINGS).key == "mira491701234567"
    assert check_username("mira1987_2024", strict).key == "mira1987_2024"
    assert refusal("mira49170", strict) == "digit-run"


def test_a_setting_keeps_names_to_ascii() -> None:
    assert refusal("josé", UsernameSettings(alphabet="ascii")) == "characters"


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_a_refusal_and_names_are_stable(text: str) -> None:
    try:
        name = check_username(text, SETTINGS)
    except InvalidFields:
        return
    assert "@" not in name.shown
    assert check_username(name.shown, SETTINGS) == name
    assert name_key(name.shown.swapcase()) == name_key(name_key(name.shown).swapcase())


@given(st.text(st.characters(), max_size=100))
def test_folding_a_folded_key_changes_nothing(text: str) -> None:
    assert name_key(name_key(text)) == name_key(text)


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-", min_size=3, max_size=50))
def test_every_plain_name_that_is_not_reserved_passes(text: str) -> None:
    code = ""
    try:
        assert check_username(text, SETTINGS).key == text.lower()
    except InvalidFields as refused:
        code = refused.errors[0].code
    assert code in {"", "reserved"} or not text.strip("_-")


@given(st.text("mirnlI1oO0dcei_-", min_size=3, max_size=12))
def test_the_skeleton_does_not_hang_on_case_but_for_the_capital_i(text: str) -> None:
    if "I" not in text and "i" not in text:
        assert skeleton(text) == skeleton(text.upper()) == skeleton(text.lower())
