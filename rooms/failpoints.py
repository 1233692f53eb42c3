"""Named places where a test can make a process fail, by the environment variable YREDIS_FAILPOINTS.

Its form is "name=action" with commas between: `kill` (SIGKILL to itself), `kill@3` (at the third time),
`error` (an exception), `stop` (SIGSTOP to itself), `sleep:0.5` (seconds, blocking).
Without the variable a failpoint costs one comparison.
"""

import os
import re
import signal
import time
from collections import Counter

ACTION = re.compile(r"kill|kill@\d+|error|stop|sleep:\d+(\.\d+)?")


class FailpointError(Exception):
    """What an `error` failpoint raises: nobody catches it by name."""


def parse(text: str) -> dict[str, str]:
    """Return the actions by name; raise ValueError when one can't be understood."""
    actions = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, separator, action = part.partition("=")
        if not separator or not ACTION.fullmatch(action):
            raise ValueError(f"YREDIS_FAILPOINTS: {part!r} is not name=kill|kill@n|error|stop|sleep:seconds")
        actions[name] = action
    return actions


actions = parse(os.environ.get("YREDIS_FAILPOINTS", ""))
hits: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Fail here if the environment says so."""
    if not actions or name not in actions:
        return
    hits[name] += 1
    verb, _, argument = actions[name].replace("@", ":").partition(":")
    if verb == "sleep":
        time.sleep(float(argument))
    elif verb == "error":
        raise FailpointError(name)
    elif verb == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif not argument or hits[name] == int(argument):
        os.kill(os.getpid(), signal.SIGKILL)
