from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import valkey as client

if TYPE_CHECKING:
    from tests.services.valkey import Valkey


@pytest.mark.parametrize("attempt", [1, 2])
def test_each_test_finds_the_server_empty(valkey_url: str, attempt: int) -> None:
    with client.Valkey.from_url(valkey_url) as connection:
        assert connection.get("left behind") is None
        connection.set("left behind", attempt)


def test_the_server_comes_back_after_a_crash(valkey: Valkey) -> None:
    valkey.kill9()
    with pytest.raises(ConnectionError):
        valkey.command("PING")
    valkey.start()
    assert valkey.command("PING") == "+PONG"


def test_nobody_enters_without_the_password(valkey: Valkey) -> None:
    with (
        client.Valkey(port=valkey.port) as connection,
        pytest.raises(client.exceptions.AuthenticationError),
    ):
        connection.ping()
