"""Tokens stay out of logs: servers write the url of a websocket with its query."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

TOKEN = re.compile(r"(yauth(?:=|-|%3D|%2D))[^&\s\"',;\]\)]+", re.IGNORECASE)


def scrubbed(value: Any) -> Any:
    """Return a text or bytes without the tokens in it; anything else as it is."""
    if isinstance(value, bytes):
        return TOKEN.sub(r"\1***", value.decode("latin-1")).encode("latin-1") if b"yauth" in value.lower() else value
    if isinstance(value, str) and "yauth" in value.lower():
        return TOKEN.sub(r"\1***", value)
    return value


def _scrub(record: logging.LogRecord) -> None:
    record.msg = scrubbed(record.msg)
    if isinstance(record.args, tuple):
        record.args = tuple(map(scrubbed, record.args))
    elif isinstance(record.args, Mapping):
        record.args = {name: scrubbed(value) for name, value in record.args.items()}


def install() -> None:
    """Scrub whatever is logged from now on, by whichever package."""
    _install_for_daphne()
    make = logging.getLogRecordFactory()
    if getattr(make, "scrubs_tokens", False):
        return

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        _scrub(record)
        return record

    factory.scrubs_tokens = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(factory)


def _install_for_daphne() -> None:
    """Scrub daphne's access log, which it writes past `logging`."""
    generator: Any = getattr(sys.modules.get("daphne.access"), "AccessLogGenerator", None)
    if generator is None or getattr(generator, "scrubs_tokens", False):
        return
    write_entry = generator.write_entry

    def write_scrubbed(self: Any, *args: Any, **kwargs: Any) -> None:
        write_entry(self, *map(scrubbed, args), **{name: scrubbed(value) for name, value in kwargs.items()})

    generator.write_entry, generator.scrubs_tokens = write_scrubbed, True
