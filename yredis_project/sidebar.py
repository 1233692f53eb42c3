"""What stands beside each page of the admin: the ways to the pages that somebody may see."""

from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _


class Way(NamedTuple):
    """A way to a page: `icon` is a name of Google's Material Symbols, `permission` what one needs to go there."""

    title: Any
    icon: str
    url_name: str
    permission: str


GROUPS: dict[Any, list[Way]] = {
    _("Collaboration"): [
        Way(_("Overview"), "monitoring", "admin:yredis_rooms_room_overview", "yredis_rooms.view_room"),
        Way(_("Rooms"), "edit_note", "admin:yredis_rooms_room_changelist", "yredis_rooms.view_room"),
        Way(_("Segments"), "stacks", "admin:yredis_persistence_segment_changelist", "yredis_persistence.view_segment"),
        Way(
            _("Quarantine"),
            "report",
            "admin:yredis_persistence_quarantined_changelist",
            "yredis_persistence.view_quarantined",
        ),
    ],
    _("People"): [
        Way(_("Users"), "person", "admin:auth_user_changelist", "auth.view_user"),
        Way(_("Groups"), "group", "admin:auth_group_changelist", "auth.view_group"),
    ],
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups as unfold's SIDEBAR has them; the way to the page that is open is marked."""
    groups = [{"title": title, "items": _items(request, ways)} for title, ways in GROUPS.items()]
    items: list[dict[str, Any]] = [item for group in groups for item in group["items"]]
    here = [item for item in items if request.path.startswith(item["link"])]
    if here:
        max(here, key=lambda item: len(item["link"]))["active"] = True
    return groups


def _items(request: HttpRequest, ways: list[Way]) -> list[dict[str, Any]]:
    permitted = [way for way in ways if request.user.has_perm(way.permission)]
    return [
        {"title": way.title, "icon": way.icon, "link": link, "active": False}
        for way in permitted
        if (link := _link(way.url_name))
    ]


def _link(url_name: str) -> str:
    """Return the url of a page; "" if the apps that are installed have no such page."""
    try:
        return reverse(url_name)
    except NoReverseMatch:
        return ""
