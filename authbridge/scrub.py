"""Tokens stay out of logs: servers write the url of a websocket with its query."""

import logging
import re
import sys
from functools import cache
from typing import Any

TOKEN = re.compile(
    r"""( yauth (?: = | - | %(?:25)*3D | %(?:25)*2D | \\*["'] \s* [:,] \s* [\[(]? \s* b? \\*["'] ) )  [^&\s"',;\])]+""",
    re.IGNORECASE | re.VERBOSE,
)
"""As a parameter, as a subprotocol, and as what Python or JSON writes of either."""


def scrubbed(value: Any) -> Any:
    """Return a text or bytes without the tokens in it; anything else as it is."""
    if isinstance(value, bytes):
        return TOKEN.sub(r"\1***", value.decode("latin-1")).encode("latin-1") if b"yauth" in value.lower() else value
    if isinstance(value, str) and "yauth" in value.lower():
        return TOKEN.sub(r"\1***", value)
    return value


class Scrubbing(logging.LogRecord):
    """A record that has no token in its text and in its traceback, whatever objects they are made from."""

    def getMessage(self) -> str:  # noqa: N802  # logging's
        """Return the text."""
        return str(scrubbed(super().getMessage()))

    @property
    def exc_text(self) -> Any:
        """The traceback, once a formatter has written it."""
        return scrubbed(self.__dict__.get("exc_text"))

    @exc_text.setter
    def exc_text(self, text: Any) -> None:
        self.__dict__["exc_text"] = text

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be copied, and sent to another process."""
        return _remade, (type(self).__mro__[2], self.__dict__)


@cache
def _scrubbing(made: type[logging.LogRecord]) -> type[logging.LogRecord]:
    return type(made.__name__, (Scrubbing, made), {})


def _remade(made: type[logging.LogRecord], state: dict[str, Any]) -> logging.LogRecord:
    record = made.__new__(made)
    record.__class__ = _scrubbing(made)  # type: ignore[arg-type]  # as below
    record.__dict__.update(state)
    return record


def _scrub(record: logging.LogRecord) -> None:
    """Scrub a record, also its arguments by themselves: access logs take the path out of them."""
    record.__class__ = _scrubbing(type(record))  # type: ignore[arg-type]  # mypy looks for the hash of an instance
    if isinstance(record.args, tuple) and any(scrubbed(value) is not value for value in record.args):
        record.args = tuple(map(scrubbed, record.args))


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
