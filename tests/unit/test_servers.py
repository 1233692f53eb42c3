"""The command lines of the ASGI servers: their limits let ours speak first."""

import pytest

from rooms.conf import conf
from yredis_project.servers import ASGI_COMMANDS, daphne_command, uvicorn_command


def value_of(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


@pytest.mark.parametrize("option", ["--websocket-max-message-size", "--websocket-max-frame-size"])
def test_daphne_hands_us_a_frame_that_is_over_our_limit(option):
    assert int(value_of(daphne_command(8000), option)) > conf().max_frame_bytes


def test_uvicorn_hands_us_a_frame_that_is_over_our_limit():
    assert int(value_of(uvicorn_command(8000), "--ws-max-size")) > conf().max_frame_bytes


def test_daphne_leaves_a_websocket_open_for_as_long_as_it_lives():
    assert value_of(daphne_command(8000), "--websocket_timeout") == "-1"


def test_uvicorn_does_not_offer_compression():
    assert value_of(uvicorn_command(8000), "--ws-per-message-deflate") == "false"


@pytest.mark.parametrize("asgi", ASGI_COMMANDS)
def test_a_server_listens_on_this_machine_only(asgi):
    command = ASGI_COMMANDS[asgi](8000)
    assert "127.0.0.1" in command
    assert "8000" in command
