"""What no file of the repository may hold."""

from __future__ import annotations

import re
import subprocess

from tests.architecture.source import ROOT

# One letter of each stands in brackets, so that this file does not find itself.
REGISTRIES = re.compile(
    r"pyp[i]\.org|pythonhoste[d]\.org|npmj[s]\.|unpk[g]\.com|jsdeliv[r]\.net|docke[r]\.io|ghc[r]\.io"
)
MACHINE_PATHS = re.compile(r"(?<![\w./$-])/(?:wor[k]|roo[t]|home/\w|Users/\w|tmp/\w)[/\w.-]*")
UNFINISHED = re.compile(r"\b(?:TOD[O]|FIXM[E]|HAC[K])\b")
AUTHORSHIP = re.compile(
    r"\b(?:assistan[t]|chatbo[t]|co-?pilo[t]|LL[M]|language mode[l]|co-authore[d])\b", re.IGNORECASE
)


def tracked_texts() -> dict[str, str]:
    """Return the text of every file of the repository, those not yet added included."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    texts = {}
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file():
            raw = path.read_bytes()
            if b"\0" not in raw:
                texts[name] = raw.decode("utf-8", "replace")
    assert "pyproject.toml" in texts
    return texts


def found(pattern: re.Pattern[str]) -> list[str]:
    """Return where a pattern occurs, by file and line."""
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for name, text in tracked_texts().items()
        for match in pattern.finditer(text)
    ]


def test_no_file_names_a_package_registry() -> None:
    """Where libraries come from is the business of whoever installs: pip's configuration, a mirror, a proxy."""
    assert not found(REGISTRIES)


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert not found(MACHINE_PATHS)


def test_no_file_is_left_unfinished() -> None:
    assert not found(UNFINISHED)


def test_no_file_speaks_of_how_it_was_written() -> None:
    assert not found(AUTHORSHIP)
