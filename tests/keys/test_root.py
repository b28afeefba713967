"""The root secret: where it comes from, and when a house refuses to start with it."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest
from tests.house import CHEAP_HASHING, OpenHouse

from ostiary.core.clock import ManualClock
from ostiary.core.crypto import Unsealable, Wrapper
from ostiary.core.errors import Misconfigured
from ostiary.keys import KeySettings, root_wrapper
from ostiary.mail import Mailbox
from ostiary.settings import load
from ostiary.wiring import Ostiary

STRONG = "qL3v9-Zx81kTn_Wf5yRb2GhUd7JmCsPe"
OTHER = "Aa4_tTq9zX-0pLmN3bVc8kJhGfDsRe71"


def opens(sealed: bytes, wrapper: Wrapper) -> bool:
    try:
        return wrapper.open(sealed, "x") == b"plain"
    except Unsealable:
        return False


SEALED = root_wrapper(KeySettings(root_secret=STRONG), Path("unused")).seal(b"plain", "x")


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_file_setting_and_command_give_the_same_key(tmp_path: Path) -> None:
    file = written(tmp_path / "secret", STRONG + "\n")
    command = f"{sys.executable} -c \"print('{STRONG}')\""
    for settings in (
        KeySettings(root_secret=STRONG),
        KeySettings(root_secret_file=file),
        KeySettings(root_secret_command=command),
    ):
        assert opens(SEALED, root_wrapper(settings, tmp_path))
    assert not opens(SEALED, root_wrapper(KeySettings(root_secret=OTHER), tmp_path))


def test_the_environment_is_a_place_for_it(tmp_path: Path) -> None:
    settings = load(tmp_path, environment={"OSTIARY_KEYS__ROOT_SECRET": STRONG})
    assert opens(SEALED, root_wrapper(settings.keys, tmp_path))
    assert STRONG not in repr(settings)
    assert not (tmp_path / "root.secret").exists()


def test_a_secret_too_short_is_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"keys\.root_secret") as refused:
        root_wrapper(load(tmp_path, environment={"OSTIARY_KEYS__ROOT_SECRET": "only-this-short"}).keys, tmp_path)
    assert "only-this-short" not in str(refused.value)


def test_without_a_setting_a_file_is_made_for_its_owner_alone_and_kept(tmp_path: Path) -> None:
    sealed = root_wrapper(KeySettings(), tmp_path).seal(b"plain", "x")
    path = tmp_path / "root.secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) >= 43
    assert opens(sealed, root_wrapper(KeySettings(), tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == ["root.secret"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_file_that_others_can_reach_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    file = written(tmp_path / "secret", STRONG, mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        root_wrapper(KeySettings(root_secret_file=file), tmp_path)
    default = written(tmp_path / "root.secret", STRONG, mode)
    with pytest.raises(Misconfigured, match=f"chmod 600 {default}"):
        root_wrapper(KeySettings(), tmp_path)


def test_a_file_that_was_named_is_never_made_up(tmp_path: Path) -> None:
    """A volume that is not mounted must not become a house with another root secret."""
    missing = tmp_path / "vault" / "secret"
    with pytest.raises(Misconfigured, match="cannot be read"):
        root_wrapper(KeySettings(root_secret_file=missing), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="not a file"):
        root_wrapper(KeySettings(root_secret_file=tmp_path), tmp_path)
    noise = tmp_path / "noise"
    noise.write_bytes(b"\xff\xfe" * 40)
    noise.chmod(0o600)
    with pytest.raises(Misconfigured, match="not text") as refused:
        root_wrapper(KeySettings(root_secret_file=noise), tmp_path)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("weak", ["", "   ", "short", "a" * 64, "abababab" * 8, "x" * 31 + "\n" * 10])
def test_a_weak_secret_is_refused_with_the_way_to_a_strong_one(tmp_path: Path, weak: str) -> None:
    file = written(tmp_path / "secret", weak)
    with pytest.raises(Misconfigured, match="too weak") as refused:
        root_wrapper(KeySettings(root_secret_file=file), tmp_path)
    assert "token_urlsafe" in str(refused.value)
    assert not weak.strip() or weak.strip() not in str(refused.value)


@pytest.mark.parametrize(
    "command",
    [
        f"{sys.executable} -c \"import sys; print('{STRONG}'); sys.exit(1)\"",
        "/no/such/program",
        "un'balanced",
        f'{sys.executable} -c "import sys; sys.stdout.buffer.write(bytes([255] * 40))"',
    ],
)
def test_a_failing_command_is_refused_and_its_output_is_not_repeated(tmp_path: Path, command: str) -> None:
    with pytest.raises(Misconfigured, match="run it by hand") as refused:
        root_wrapper(KeySettings(root_secret_command=command), tmp_path)
    assert STRONG not in str(refused.value)


def test_a_command_is_no_shell(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    command = f"echo {STRONG} ; touch {trace}"
    root_wrapper(KeySettings(root_secret_command=command), tmp_path)
    assert not trace.exists()


async def test_another_root_secret_refuses_the_start_with_words(
    open_house: OpenHouse, tmp_path: Path, database_url: str, clock: ManualClock
) -> None:
    await open_house(work=False)
    stranger = Ostiary.at(
        tmp_path / "elsewhere", clock=clock, post=Mailbox(), hashing=CHEAP_HASHING,
        storage={"database": database_url}, keys={"root_secret": OTHER},
    )  # fmt: skip
    with pytest.raises(Misconfigured, match="root secret of this database"):
        await stranger.open()
    await stranger.database.driver.close()
    assert (await (await open_house(work=False)).keys.listed())[0].sealed  # the right one still opens


@pytest.mark.timeout(60)
def test_two_processes_that_start_at_once_make_one_file(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from ostiary.keys import KeySettings, root_wrapper;"
        "sys.stdin.readline();"
        "print(root_wrapper(KeySettings(), Path(sys.argv[1])).seal(b'plain', 'x').hex())"
    )

    async def run() -> list[str]:
        started = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, str(tmp_path), env=dict(os.environ),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )
            for _ in range(4)
        ]  # fmt: skip
        ends = await asyncio.gather(*[process.communicate(b"go\n") for process in started])
        return [out.decode().strip() for out, _ in ends]

    sealed = asyncio.run(run())
    wrapper = root_wrapper(KeySettings(), tmp_path)
    assert all(opens(bytes.fromhex(text), wrapper) for text in sealed)
    assert [file.name for file in tmp_path.iterdir()] == ["root.secret"]
