"""A cable between a server and its database, to be cut: bytes vanish, connections stay."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from typing import Self

from tests.races.peers import Peers

DATABASE = "OSTIARY_STORAGE__DATABASE"


class Cable:
    """Carries the connections of peers to PostgreSQL, until it is cut."""

    def __init__(self, peers: Peers) -> None:
        url = peers.environment[DATABASE]
        before, _, after = url.rpartition("@")
        address, _, database = after.partition("/")
        host, _, port = address.rpartition(":")
        self._target = (host, int(port))
        self._door = socket.create_server(("127.0.0.1", 0))
        self._whole = threading.Event()
        self._whole.set()
        self._is_over = threading.Event()
        peers.environment[DATABASE] = f"{before}@127.0.0.1:{self._door.getsockname()[1]}/{database}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._whole.set()
        self._door.close()

    def cut(self) -> None:
        """From now on nothing gets through, and nobody is told."""
        self._whole.clear()

    def mend(self) -> None:
        """Let through what waits, and all that follows."""
        self._whole.set()

    def _accept(self) -> None:
        while not self._is_over.is_set():
            with suppress(OSError):
                if not select.select([self._door], [], [], 0.1)[0]:
                    continue
                near, _ = self._door.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        self._whole.wait()
        with near, suppress(OSError), socket.create_connection(self._target) as far:
            other = {near: far, far: near}
            while not self._is_over.is_set():
                for end in select.select([near, far], [], [], 0.1)[0]:
                    data = end.recv(65536)
                    self._whole.wait()
                    if not data:
                        return
                    other[end].sendall(data)
