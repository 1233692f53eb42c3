"""A sync view that edits a room, as a site's own would."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench.edit_process import edit


def view(request: HttpRequest, room: str) -> HttpResponse:
    """Write the time into a room."""
    edit(room)
    return HttpResponse("done")


urlpatterns = [path("edit/<path:room>", view)]
