"""Free ports on the loopback interface."""

from __future__ import annotations

import itertools
import os
import socket

LOOPBACK = "127.0.0.1"
# Below the range from which Linux and macOS draw the ports of outgoing connections, so that none of those
# takes the port between the moment it was found free and the moment the server binds it.
FIRST_PORT = 20_000
PORTS_A_WORKER = 700

_steps = itertools.count(os.getpid() % PORTS_A_WORKER)


def free_port() -> int:
    """Return a port that nobody listens on, from a range of this worker's own.

    Raises:
        RuntimeError: Every port of the range is taken.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
    for _ in range(PORTS_A_WORKER):
        port = FIRST_PORT + worker * PORTS_A_WORKER + next(_steps) % PORTS_A_WORKER
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port
    raise RuntimeError("no free port on the loopback interface")
