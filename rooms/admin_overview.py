"""The overview of a site in the admin: what Redis knows now, what the database knows, and the last hour."""

import asyncio
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from rooms import background, durability
from rooms.amounts import UNKNOWN, lasted, plain, size
from rooms.backend import backend
from rooms.charts import Chart, line
from rooms.errors import YRedisError
from rooms.heartbeats import Beat
from rooms.history import MOST_SAMPLES, SAMPLE_SECONDS, History
from rooms.models import Room
from rooms.preview_html import visible
from rooms.redis_client import Memory
from rooms.survey import (
    APPENDS_PER_SECOND,
    IN_HAND,
    PERSISTED,
    PERSISTED_PER_SECOND,
    ROOMS,
    SEATS,
    Survey,
    survey,
)

if TYPE_CHECKING:
    Admin = ModelAdmin[Room]
else:  # generic for type checkers only
    Admin = ModelAdmin

NAME = "yredis_rooms_room_overview"
FOLDER = "admin/yredis_rooms/room"

SECONDS_OF_PARTS = {"moment": 2, "trend": 10}
"""The parts of the page that refresh themselves, and how often; the second asks the database too."""

PATIENCE_SECONDS = 30
"""A page waits no longer for a part."""

MOST_FAILING = 10
"""Rooms that fail, of which each has a line."""

GAP_SECONDS = 3.5 * SAMPLE_SECONDS
"""Samples further apart are not joined: nobody took any, or Redis was away."""


def urls(admin: Admin) -> list[URLPattern]:
    """Return the pages of the overview; they come before a room's own, whose key may be anything."""
    page = admin.admin_site.admin_view(partial(overview, admin=admin))
    one = admin.admin_site.admin_view(partial(part_of_overview, admin=admin))
    return [
        path("overview/", page, name=NAME),
        path("overview/<slug:part>/", one, name=f"{NAME}_part"),
    ]


def overview(request: HttpRequest, *, admin: Admin) -> HttpResponse:
    """Show the whole page to who may see rooms."""
    context = {
        **admin.admin_site.each_context(request),
        "title": _("Overview"),
        "opts": admin.opts,
        "parts": SECONDS_OF_PARTS,
        "patience": PATIENCE_SECONDS,
    }
    return TemplateResponse(request, f"{FOLDER}/overview.html", context | _seen(request, admin, SECONDS_OF_PARTS))


def part_of_overview(request: HttpRequest, part: str, *, admin: Admin) -> HttpResponse:
    """Show one part of it, to be put into the page that is open."""
    if part not in SECONDS_OF_PARTS:
        raise Http404(part)
    return TemplateResponse(request, f"{FOLDER}/overview_{part}.html", _seen(request, admin, (part,)))


def _seen(request: HttpRequest, admin: Admin, parts: Collection[str]) -> dict[str, Any]:
    """Return what the templates of some parts need; raise PermissionDenied for who may not see rooms."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    try:
        found, configured = background.run(_asked())
    except YRedisError as error:
        seen: dict[str, Any] = {"opts": admin.opts, "away": str(error)}
    else:
        seen = {"opts": admin.opts, **moment(found, configured)}
        if "trend" in parts:
            seen["charts"] = charts(found.history)
    return seen | (stored() if "trend" in parts else {})


async def _asked() -> tuple[Survey, dict[str, str]]:
    """Ask Redis for everything at a time."""
    services = await backend()
    looking = survey(services.client, services.keys, services.conf)
    return await asyncio.gather(looking, services.client.durability())


def moment(found: Survey, configured: Mapping[str, str]) -> dict[str, Any]:
    """Return what is known of now."""
    return {
        "unanswered": found.unanswered,
        "figures": _figures(found),
        "servers": [_server(each, found) for each in found.servers],
        "workers": [_worker(each, found) for each in found.workers],
        "configured": configured,
        "survives": durability.survives(configured),
        "warnings": durability.warnings(configured),
    }


def _figures(found: Survey) -> list[tuple[str, str, str]]:
    """Return titles, values, and what else is to say of them."""
    backlog = found.backlog
    due = _("%(due)s due, %(overdue)s of them overdue") % {
        "due": plain(backlog.due),
        "overdue": plain(backlog.overdue),
    }
    oldest = "-" if backlog.oldest_seconds is None else lasted(backlog.oldest_seconds)
    return [
        (_("Connections"), plain(found.of_servers(SEATS)), ""),
        (_("Open rooms"), plain(found.of_servers(ROOMS)), _("counted on each server")),
        (_("Appends per second"), plain(found.of_servers(APPENDS_PER_SECOND)), ""),
        (_("Rooms to persist"), plain(backlog.waiting), due),
        (_("Oldest unpersisted entry"), oldest, ""),
        (_("Redis memory"), *_memory(found.memory)),
    ]


def _memory(memory: Memory | None) -> tuple[str, str]:
    """Return what Redis uses, and of how much."""
    if memory is None:
        return UNKNOWN, ""
    most = _("of %(size)s") % {"size": size(memory.most_bytes)} if memory.most_bytes else _("without a limit")
    return size(memory.used_bytes), most


def _server(beat: Beat, found: Survey) -> dict[str, Any]:
    numbers = [plain(beat.number(each)) for each in (SEATS, ROOMS, APPENDS_PER_SECOND)]
    return _process(beat, found) | {"numbers": numbers}


def _worker(beat: Beat, found: Survey) -> dict[str, Any]:
    numbers = [plain(beat.number(each)) for each in (IN_HAND, PERSISTED, PERSISTED_PER_SECOND)]
    return _process(beat, found) | {"numbers": numbers}


def _process(beat: Beat, found: Survey) -> dict[str, Any]:
    return {
        "name": visible(beat.name),
        "alive": beat.is_alive(found.heartbeat_seconds),
        "silent": lasted(max(0.0, beat.silent_seconds)),
    }


def charts(history: History) -> list[SafeString]:
    """Return what changed over the last hour."""
    begins, labels = history.now - MOST_SAMPLES * SAMPLE_SECONDS, (_("an hour ago"), _("now"))
    drawn = (
        (_("Connections"), "connections", plain),
        (_("Appends per second"), "appends_per_second", plain),
        (_("Rooms to persist"), "backlog", plain),
        (_("Oldest unpersisted entry"), "oldest_seconds", lasted),
        (_("Redis memory"), "memory_bytes", size),
    )
    return [
        line(
            Chart(title, [(at, getattr(each, of)) for at, each in history.samples], begins, history.now, labels, show),
            gap_seconds=GAP_SECONDS,
        )
        for title, of, show in drawn
    ]


def stored() -> dict[str, Any]:
    """Return what the database knows: how many rooms are in which state, and some that can't be persisted or read."""
    numbers = dict(Room.objects.order_by().values_list("state").annotate(Count("pk")))
    failing = Room.objects.filter(state=Room.State.FAILING).order_by("-lag_seconds")
    rows = failing.only("name", "lag_seconds", "failures", "last_error", "damage")[:MOST_FAILING]
    return {
        "total": plain(sum(numbers.values())),
        "states": [(state.value, state.label, plain(numbers.get(state, 0))) for state in Room.State],
        "failing": [
            {
                "pk": row.pk,
                "name": visible(row.name),
                "lag": lasted(row.lag_seconds),
                "why": row.damage or row.last_error,
            }
            for row in (rows if numbers.get(Room.State.FAILING) else ())
        ],
    }
