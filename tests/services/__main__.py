"""Say, as JSON, which parts are here and which are not: `python -m tests.services`."""

from __future__ import annotations

import json
import shutil
import sys

from tests.cli.reverse_proxies import find_nginx
from tests.services.chromium import find_certutil, find_chromium
from tests.services.oidc_provider import find_oidc_provider
from tests.services.parts import CERTUTIL, CHROMIUM, NGINX, OIDC_PROVIDER, POSTGRESQL, VALKEY, WRK, version_of
from tests.services.postgres import find_postgres
from tests.services.valkey import find_valkey


def survey() -> dict[str, str | None]:
    """Return each part's version, or None for a part that is not here or does not start."""
    chromium, postgres, valkey, node = find_chromium(), find_postgres(), find_valkey(), find_oidc_provider()
    found: dict[str, str | None] = {
        CHROMIUM.name: version_of(chromium) if chromium else None,
        POSTGRESQL.name: version_of(postgres / "postgres") if postgres else None,
        VALKEY.name: version_of(valkey) if valkey else None,
        NGINX.name: find_nginx(),
        OIDC_PROVIDER.name: f"on node {version_of(node)}" if node else None,
    }
    if sys.platform == "linux":  # elsewhere Chromium asks the system whom to trust
        certutil = find_certutil()
        found[CERTUTIL.name] = str(certutil) if certutil else None
        found[WRK.name] = shutil.which("wrk")  # the guard of CPU time reads /proc
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(survey()) + "\n")
