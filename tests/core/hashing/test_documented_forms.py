"""The reference page shows only what is read, and states the bounds that hold."""

from __future__ import annotations

import re
from pathlib import Path

from ostiary.core.hash_formats import LONGEST_STORED, MOST_MEMORY_KIB, MOST_WEIGHT, check_importable

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "password-hash-formats.md"


def test_each_example_of_the_reference_page_is_importable_and_each_family_has_one() -> None:
    blocks = re.findall(r"```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    examples = [line for block in blocks for line in block.splitlines()]
    families = {check_importable(example).family for example in examples}
    assert families >= {"argon2id", "argon2i", "bcrypt", "pbkdf2-sha256", "pbkdf2-sha1", "scrypt", "firebase-scrypt"}


def test_the_reference_page_states_the_bounds() -> None:
    page = PAGE.read_text("utf-8")
    for row in (
        f"| weight | {MOST_WEIGHT:.0f} |",
        f"| memory | {MOST_MEMORY_KIB // 1024} MiB |",
        f"| length of the string | {LONGEST_STORED} characters |",
    ):
        assert row in page


def test_the_reference_page_names_the_dearest_of_each_family_rightly() -> None:
    salt, tag = "MDEyMzQ1Njc4OWFiY2RlZg", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    for dearest in (
        f"$argon2id$v=19$m=524288,t=3,p=1${salt}${tag}",
        "$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        f"pbkdf2_sha256$7500000$seasalt${tag}=",
        f"$scrypt$ln=19,r=8,p=1${salt}${tag}",
    ):
        check_importable(dearest)
