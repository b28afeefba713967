"""A certified OpenID provider as a process of its own: `oidc-provider`, on Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.services.parts import OIDC_PROVIDER, do_without, version_of
from tests.services.ports import free_port
from tests.services.reaper import reaper

HOME = Path(__file__).parents[1] / "counterparts" / "oidc"


def find_oidc_provider() -> Path | None:
    """Return the node that runs the provider, if both are here."""
    node = shutil.which("node")
    installed = (HOME / "node_modules" / "oidc-provider" / "package.json").is_file()
    return Path(node) if node and installed and version_of(Path(node)) else None


class OidcProvider:
    """One running provider; `issuer` is its name."""

    def __init__(self, callback: str) -> None:
        node = find_oidc_provider()
        if node is None:
            do_without(OIDC_PROVIDER)
        self.issuer = f"http://127.0.0.1:{(port := free_port())}"
        self._process = subprocess.Popen(
            [node, "provider.mjs", str(port), callback], cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        reaper.guard(self._process)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != b"listening":
            self.close()
            raise RuntimeError("the OpenID provider did not start")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        reaper.release(self._process)
