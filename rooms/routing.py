"""How rooms get into a site's ASGI application: `application = with_rooms(get_asgi_application())`."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from channels.routing import URLRouter
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.urls import re_path

from rooms import credentials
from rooms.checks import OURS
from rooms.conf import conf
from rooms.consumers import RoomConsumer
from rooms.errors import RedisUnavailable
from rooms.metrics import Count, count
from rooms.redis_client import RedisClient
from rooms.writers import sniff

logger = logging.getLogger(__name__)

room_consumer: Any = RoomConsumer.as_asgi()

websocket_urlpatterns: list[Any] = [re_path(r"^ws/(?P<room>[\s\S]*)\Z", room_consumer)]


no_such_room = re_path("", room_consumer, {"room": ""})
"""Any other path: closed with 4404, where no route at all would be an error of the server."""


def with_rooms(http: Any, websocket: Any = None) -> Any:
    """Return an ASGI application that serves rooms at ws/<room> and hands everything else to `http`.

    Args:
        http: the site's application, as get_asgi_application() returns it.
        websocket: what serves websockets, when it has to be more than the rooms: a Channels application around
            `websocket_urlpatterns`.

    Raises:
        ImproperlyConfigured: the system checks find errors in settings.YREDIS.
        LayoutMismatch: Redis holds rooms of another layout. (A Redis that is away now is no reason not to start.)
    """
    _refuse_wrong_settings()
    _refuse_other_layout()
    rooms: Any = URLRouter([*websocket_urlpatterns, no_such_room]) if websocket is None else websocket

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            admitted = credentials.admitted(scope)
            # Here, before any middleware can wrap `send`, the server is still to be seen.
            await (rooms(sniff(admitted, send), receive, send) if admitted else _turn_away(receive, send))
        else:
            await http(scope, receive, send)

    return application


async def _turn_away(receive: Any, send: Any) -> None:
    """Refuse a page of another site that came with a session's cookie: closed before the accept, it is an HTTP 403."""
    await receive()
    count(Count.ORIGINS_REFUSED)
    logger.info("Refused a page of another Origin that came with a cookie", extra={"action": "origin_refused"})
    await send({"type": "websocket.close"})


def _refuse_wrong_settings() -> None:
    """Let the system checks speak here too: a server is often started without them."""
    found = [message for message in run_checks(tags=[OURS]) if not message.is_silenced()]
    if errors := [f"{message.id}: {message.msg}" for message in found if message.is_serious()]:
        raise ImproperlyConfigured("; ".join(errors))
    for message in found:
        logger.warning("%s: %s", message.id, message.msg, extra={"action": "settings_checked"})


def _refuse_other_layout() -> None:
    """Connect once; in a thread of its own, as some servers import the application within their running loop."""

    async def connect() -> None:
        try:
            client = await RedisClient.connect(conf())
        except RedisUnavailable as error:
            logger.warning(
                "No Redis answers, so connections are refused until one does: %s", error, extra={"action": "no_redis"}
            )
            return
        await client.aclose()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, connect()).result()
