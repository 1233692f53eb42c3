"""The one dictionary, `settings.YREDIS`, and its one reader."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from math import isfinite
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

KIB = 1024
MIB = 1024 * KIB

TYPES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    tuple: "a list or tuple",
}
"""What there may be in a setting."""

MAY_BE_ZERO = {
    "access_cache_seconds",
    "debounce_seconds",
    "max_bytes_per_second",
    "max_document_bytes",
    "max_awareness_bytes",
    "max_awareness_per_second",
    "max_seats_per_room",
    "max_seats_per_user",
    "max_seats_per_address",
}


@dataclass(frozen=True, kw_only=True)
class Conf:
    """Every setting with its default; sizes in bytes, durations in seconds, 0 = no limit where it says so."""

    redis_url: str = "redis://localhost:6379/0"
    """Redis >= 7.0 or Valkey >= 7.2, single or cluster; rediss:// for TLS."""
    prefix: str = "yredis"
    """Begins every key, so that several sites can share one Redis."""
    shards: int = 16
    """Over how many hash slots the rooms are spread; fixed once Redis holds rooms."""
    store: str = "rooms.store.StreamOnly"
    """Dotted path to the Store that holds what was moved out of Redis."""
    authorize: str = "rooms.grants.nobody"
    """Dotted path to `async def authorize(scope, room) -> Grant`."""

    identity: tuple = ("jwt", "session", "anonymous")  # type: ignore[type-arg]  # read at run time, below
    """How authbridge tells who somebody is: the first way that can. Of jwt, session, anonymous."""
    permission: str = ""
    """Dotted path to `async def f(user, room) -> Access`, which authbridge asks; empty: Django's permissions."""
    permission_callback: str = ""
    """Is asked instead, by GET {url}/{room}/{userid}."""
    access_cache_seconds: float = 5.0
    """A decision about a user and a room counts for so long for whoever connects."""
    callback_timeout_seconds: float = 3.0
    """No answer from another server within it: the connection is closed with 1013."""
    callback_connections: int = 16
    """Questions to PERMISSION_CALLBACK that one process has under way for its connections, and for its pages."""
    jwt_keys: tuple = ()  # type: ignore[type-arg]
    """Keys that tokens are verified with: dictionaries of alg, one of key, path and url, and kid."""
    jwt_issuer: str = ""
    """The claim `iss` of every token."""
    jwt_audience: str = ""
    """The claim `aud` of every token, or one of several in it."""
    jwt_max_lifetime_seconds: float = 86400.0
    """A token that lasts longer is refused."""
    jwt_lifetime_seconds: float = 900.0
    """Tokens that the site itself makes last so long."""
    jwt_user_field: str = ""
    """Field of the user model that a token's user is looked up by; empty: users of tokens need not be known."""
    perm_callers: tuple = ()  # type: ignore[type-arg]
    """Addresses or networks of servers that may ask yauth/perm what a user may do."""
    websocket_url: str = ""
    """What pages are told to connect to; empty: ws/ on the host that they came from."""
    origins: tuple = ()  # type: ignore[type-arg]
    """Pages of these Origins may connect with a session's cookie, besides the site's own."""
    readers_visible: bool = True
    """Whether cursors of readers are shown to others."""
    recheck_seconds: float = 60.0
    """Rights of an open connection are decided anew when the last decision is so old."""
    handshake_seconds: float = 10.0
    """Who may enter must be told within it, or the connection is closed with 1013."""

    debounce_seconds: float = 10.0
    """A room is persisted when it has been quiet for so long."""
    max_delay_seconds: float = 60.0
    """A room that is never quiet is persisted after so long."""
    lease_seconds: float = 30.0
    """A worker that was not heard of for so long loses its rooms to others; it renews them three times as often."""
    compact_ratio: float = 1.0
    """A room's deltas become one snapshot when they have more than so many times its bytes ..."""
    compact_deltas: int = 100
    """... or when there are so many of them."""
    storage: str = "default"
    """Alias in settings.STORAGES of the storage in which a FileStore keeps segments."""
    orphan_grace_seconds: float = 3600.0
    """Files in that storage that no segment points to are removed when they are so old."""
    store_threads: int = 8
    """Threads of a process that read and write the database and the storage; more wait for one."""

    webhook_url: str = ""
    """Is told what was persisted, by PUT {url}/{room}; empty: nobody is."""
    webhook_secret: str = ""
    """Signs what the webhook is sent."""
    webhook_debounce_seconds: float = 2.0
    """What is persisted within it is told at once."""
    webhook_timeout_seconds: float = 5.0
    """No answer within it: the webhook is told again later."""

    redis_timeout_seconds: float = 5.0
    """No answer within it: the socket that waits is closed with 1013."""
    redis_connections: int = 32
    """At most so many connections of a process to Redis; a caller waits for a free one."""
    store_timeout_seconds: float = 15.0
    """No state from the store within it: the join is refused with 1013."""

    max_frame_bytes: int = 16 * MIB
    """A larger frame closes with 4413; set the ASGI server's own limits above it."""
    max_bytes_per_second: int = 0
    """What one connection may send, over ten seconds; more closes with 4529. 0 = no limit."""
    max_document_bytes: int = 100 * MIB
    """A room may grow to it; an update beyond closes with 4413. 0 = no limit."""
    max_awareness_bytes: int = 16 * KIB
    """A client's awareness state; a larger one is dropped, one of ten times the size closes with 4529."""
    max_awareness_per_second: int = 50
    """Awareness messages of one connection; more are coalesced, ten times as many close with 4529."""
    max_seats_per_room: int = 5000
    """Connections in one room on one server process; more close with 4529. 0 = no limit."""
    max_seats_per_user: int = 0
    """Connections of one known user on one server process; more close with 4529. 0 = no limit."""
    max_seats_per_address: int = 0
    """Connections from one network address on one server process; more close with 4529. 0 = no limit."""
    outbox_bytes: int = 2 * MIB
    """What may wait for a client that reads slowly; a client still behind then is closed with 1013."""

    channel_layer: str = "default"
    """Alias in settings.CHANNEL_LAYERS to which events about rooms are sent, if there is one; empty: to none."""

    inline_bell_bytes: int = 64 * KIB
    """Updates up to this size travel with the bell; larger ones are read from the stream."""
    sweep_seconds: float = 15.0
    """Every open room is compared with Redis once in so long, in case a bell was lost."""
    heartbeat_seconds: float = 3.0
    """How often a server or worker says that it lives; it counts as dead after four times as long."""

    compute_processes: int = 2
    """Child processes that decode what is large or not trusted."""
    compute_memory_bytes: int = 2048 * MIB
    """Address space of one of them; rebuilding a document takes about ten times its size."""
    compute_timeout_seconds: float = 30.0
    """Longest one request to them may take."""
    compute_threshold_bytes: int = 50_000
    """Updates up to this size are merged in the server process itself."""

    def __post_init__(self) -> None:
        """Raise ImproperlyConfigured for all values of the wrong type or out of range."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is tuple and type(value) is list:
                object.__setattr__(self, field.name, tuple(value))
            if field.type is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
        if wrong := list(self._wrong()):
            raise ImproperlyConfigured("; ".join(wrong))

    def _wrong(self) -> Iterator[str]:
        """Yield what is wrong with each value."""
        for field in fields(self):
            name, value, expected = field.name.upper(), getattr(self, field.name), field.type
            if type(value) is not expected:
                yield f"YREDIS: {name} must be {TYPES[expected]}, not {value!r}"
            elif expected is float and not isfinite(value):
                yield f"YREDIS: {name} must be finite, not {value!r}"
            elif expected in (int, float) and (value < 0 or (value == 0 and field.name not in MAY_BE_ZERO)):
                yield f"YREDIS: {name} must be above 0, not {value!r}"
        prefix = self.prefix
        if isinstance(prefix, str) and (not prefix or not prefix.isprintable() or set(prefix) & set("{}*?[]^\\ ")):
            yield f"YREDIS: PREFIX has none of {{}}*?[]^\\ or spaces, unlike {prefix!r}"


@cache
def conf() -> Conf:
    """Return settings.YREDIS over the defaults; raise ImproperlyConfigured that tells all that is wrong."""
    given = getattr(settings, "YREDIS", {})
    if not isinstance(given, dict):
        raise ImproperlyConfigured(f"YREDIS must be a dictionary, not {type(given).__name__}")
    known = {field.name.upper(): field.name for field in fields(Conf)}
    unknown = sorted(map(str, given.keys() - known.keys()))
    wrong = [f"YREDIS: unknown keys {unknown}"] if unknown else []
    try:
        made = Conf(**{known[key]: value for key, value in given.items() if key in known})
    except ImproperlyConfigured as error:
        wrong.append(str(error))
    if wrong:
        raise ImproperlyConfigured("; ".join(wrong))
    return made


@receiver(setting_changed)
def forget(*, setting: str, **kwargs: object) -> None:
    """Read the dictionary anew when a test overrides it."""
    if setting == "YREDIS":
        conf.cache_clear()
