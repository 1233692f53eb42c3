"""The demo site's pages: a list of example rooms, the editor of one room, and the way to any other room."""

import secrets
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from rooms import names
from rooms.errors import NoSuchRoom
from yredis_project.access import FOR_THE_TEAM, OPEN_TO_ALL

EXAMPLES = {
    "demo-notes": _("Notes that everybody shares"),
    "demo-meeting": _("Minutes of a meeting"),
    "demo-poem": _("A poem, one line each"),
    "demo-to-do": _("What is to be done"),
    "demo-ünï/cödé": _("A name with umlauts and a slash"),
    "team-plan": _("For who is signed in and may read or write"),
    "private": _("Not open: see how a refusal looks"),
}


def index(request: HttpRequest) -> HttpResponse:
    """List the example rooms."""
    return show_index(request)


def open_room(request: HttpRequest) -> HttpResponse:
    """Go to the room that was typed into the form: one of the team, or with the prefix that opens it to all."""
    typed = request.GET.get("room", "").strip().removeprefix(OPEN_TO_ALL)
    try:
        room = names.canonical(typed if typed.startswith(FOR_THE_TEAM) else OPEN_TO_ALL + typed)
    except NoSuchRoom as error:
        text = gettext("No room can have this name: %(reason)s") % {"reason": error}
        return show_index(request, typed=typed, error=text, status=400)
    return redirect(edit_url(room))


def edit(request: HttpRequest, room: str) -> HttpResponse:
    """Show the editor of a room; who may enter is decided on the websocket, not here."""
    try:
        name = names.from_path(raw_path(request), room)
    except NoSuchRoom as error:
        raise Http404(str(error)) from error
    nonce = secrets.token_urlsafe(16)
    response = render(request, "demo/edit.html", {"room": name, "nonce": nonce})
    return guarded(request, response, nonce)


def show_index(request: HttpRequest, *, typed: str = "", error: str = "", status: int = 200) -> HttpResponse:
    """Return the first page, with what was typed and why it names no room."""
    examples = [{"name": name, "about": about, "url": edit_url(name)} for name, about in EXAMPLES.items()]
    context = {"examples": examples, "typed": typed, "error": error}
    return guarded(request, render(request, "demo/index.html", context, status=status))


def guarded(request: HttpRequest, response: HttpResponse, nonce: str = "none") -> HttpResponse:
    """Return the response with a Content-Security-Policy: nothing but our own files and our own websocket.

    The nonce is for CodeMirror's style element; y-codemirror.next colours remote cursors by style attributes.
    """
    host = request.get_host()
    response["Content-Security-Policy"] = "; ".join(
        (
            "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; img-src data:",
            f"connect-src 'self' ws://{host} wss://{host}; script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'",
        )
    )
    return response


def edit_url(room: str) -> str:
    """Return the url of a room's editor. `reverse` can't: it would encode the percent signs of a name again."""
    return f"{reverse('index')}edit/{names.url_path(room)}"


def raw_path(request: HttpRequest) -> bytes:
    """Return the path as the browser sent it, where "%2F" and "/" still differ; without ASGI, the next best."""
    scope = getattr(request, "scope", {})
    return scope.get("raw_path") or quote(request.path).encode()
