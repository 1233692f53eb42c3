"""No token stands in a log."""

import copy
import json
import logging
import logging.handlers
import pickle
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
        f"/login?next=%2Flogin%3Fnext%3D%2Fws%252Fessay%253Fyauth%253D{TOKEN}",
        f"{{'yauth': '{TOKEN}'}}",
        f"{{b'yauth': [b'{TOKEN}']}}",
        f"[('yauth', '{TOKEN}')]",
        json.dumps({"yauth": TOKEN}),
        json.dumps(json.dumps({"yauth": TOKEN})),
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
        log.info({"scope": text})
        log.info("scope: %s", {"path": text})
        log.info("error: %s", ValueError(text))
    assert "eyJ" not in caplog.text
    assert "c2lnbmF0" not in caplog.text
    assert caplog.text.count("***") == 7


@pytest.mark.parametrize("value", ["/ws/essay?a=b", b"bytes", 7, None, ("yauth=x",), ""])
def test_nothing_else_is_changed(value: Any) -> None:
    assert scrub.scrubbed(value) == value


def test_it_is_taken_out_of_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    scrub.install()
    try:
        int(f"/ws/essay?yauth={TOKEN}")
    except ValueError:
        logging.getLogger("some").exception("It failed")
    assert "ValueError: invalid literal for int() with base 10: '/ws/essay?yauth=***'" in caplog.text
    assert "eyJ" not in caplog.text


def test_what_formatters_take_apart_has_none_and_is_of_the_type_that_they_expect() -> None:
    class Atoms(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return "-"

    scrub.install()
    make = logging.getLogRecordFactory()
    access = make("uvicorn.access", 20, "", 1, "%s %s %d", ("GET", f"/ws?yauth={TOKEN}", 200), None)
    assert access.args == ("GET", "/ws?yauth=***", 200)
    atoms = Atoms(r=f"GET /ws?yauth={TOKEN}")
    record = make("gunicorn.access", 20, "", 1, "%(missing)s %(r)s", (atoms,), None)
    assert record.args is atoms
    assert record.getMessage() == "- GET /ws?yauth=***"
    assert pickle.loads(logging.handlers.SocketHandler("", 0).makePickle(record)[4:])["msg"] == record.getMessage()


def test_records_can_be_copied_and_sent_to_another_process() -> None:
    scrub.install()
    record = logging.getLogRecordFactory()(
        "some", 20, "", 1, "GET %s %s", (f"/ws?yauth={TOKEN}", {"yauth": TOKEN}), None
    )
    for other in (copy.copy(record), pickle.loads(pickle.dumps(record))):
        assert other.args == record.args
        assert other.getMessage() == record.getMessage() == "GET /ws?yauth=*** {'yauth': '***'}"


def test_records_of_another_factory_stay_what_they_are(caplog: pytest.LogCaptureFixture) -> None:
    class Own(logging.LogRecord):
        own = True

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Own)
    try:
        scrub.install()
        logging.getLogger("some").error("yauth=%s", TOKEN)
    finally:
        logging.setLogRecordFactory(before)
    [record] = caplog.records
    assert isinstance(record, Own)
    assert "yauth=***" in caplog.text


def test_it_is_installed_once() -> None:
    scrub.install()
    installed = logging.getLogRecordFactory()
    scrub.install()
    assert logging.getLogRecordFactory() is installed
