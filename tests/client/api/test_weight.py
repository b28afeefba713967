"""The client is of the base install: it brings no part of a house, and needs no library that comes with one."""

from __future__ import annotations

import json
import subprocess
import sys

BASE = {
    "ostiary", "cryptography", "httpx", "joserfc", "msgspec",
    "anyio", "certifi", "cffi", "h11", "httpcore", "idna", "pycparser", "sniffio", "typing_extensions",
}  # fmt: skip
"""What `pip install ostiary` brings: our own dependencies, and theirs."""

IMPORTED = """
import json, sys

class BaseInstall:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and not top.startswith("_") and top not in BASE:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, BaseInstall())
import ostiary.client.api
print(json.dumps([*sys.modules]))
"""


def test_the_base_install_is_enough_and_nothing_of_the_server_is_loaded() -> None:
    code = f"BASE = {BASE!r}\n{IMPORTED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    ours = {name for name in json.loads(done.stdout) if name.startswith("ostiary")}

    assert {name for name in ours if not name.startswith("ostiary.client")} == {"ostiary"}
    assert "ostiary.client.api.verbs.async_auth" in ours
