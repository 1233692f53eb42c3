"""No token stands in a log."""

import logging
from typing import Any

import pytest

from authbridge import scrub

TOKEN = "eyJhbGciOiJFUzM4NCJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl-_"


@pytest.mark.parametrize(
    "text",
    [
        f"/ws/essay?yauth={TOKEN}",
        f"/ws/essay?a=b&yauth={TOKEN}&c=d",
        f"/ws/essay?YAUTH={TOKEN}",
        f"Sec-WebSocket-Protocol: yredis, yauth-{TOKEN}",
        f"[(b'sec-websocket-protocol', b'yauth-{TOKEN}, yredis')]",
        f"/login?next=/ws/essay%3Fyauth%3D{TOKEN}",
    ],
)
@pytest.mark.parametrize("logger", ["uvicorn.error", "daphne.server", "some.other"])
def test_it_is_taken_out(text: str, logger: str, caplog: pytest.LogCaptureFixture) -> None:
    scrub.install()
    with caplog.at_level(logging.DEBUG, logger=logger):
        log = logging.getLogger(logger)
        log.info(text)
        log.info('%s - "WebSocket %s" [accepted]', "127.0.0.1", text)
        log.info("%s", text.encode())
        log.info("%(path)s", {"path": text})
    assert "eyJ" not in caplog.text
    assert "c2lnbmF0" not in caplog.text
    assert caplog.text.count("***") == 4


@pytest.mark.parametrize("value", ["/ws/essay?a=b", b"bytes", 7, None, ("yauth=x",), ""])
def test_nothing_else_is_changed(value: Any) -> None:
    assert scrub.scrubbed(value) == value


def test_it_is_installed_once() -> None:
    scrub.install()
    installed = logging.getLogRecordFactory()
    scrub.install()
    assert logging.getLogRecordFactory() is installed
