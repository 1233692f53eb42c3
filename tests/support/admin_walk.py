"""Every page of the admin and every action on a list, asked for once by a superuser; run as a process of its own.

It prints JSON: {"GET /admin/...": status, "POST /admin/... action": status}.
"""

import json
import sys
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from uuid import uuid4

import django


def make_rows() -> None:
    """Make a row of each kind that the admin shows."""
    from django.contrib.auth.models import Group

    from persistence.models import Quarantined, Segment
    from rooms.models import Room

    room = Room.objects.create(name="essay")
    span = {"kind": Segment.Kind.DELTA, "first_entry_id": "1-0", "last_entry_id": "2-0", "fence": 1, "entries": 2}
    Segment.objects.create(room=room, **span, byte_size=1, sha256=sha256(b"x").hexdigest(), payload=b"x")
    Quarantined.objects.create(room=room, entry_id="3-0", data=b"poison", reason="can't be decoded")
    Group.objects.create(name="team")


def pages() -> Iterator[str]:
    """Yield the urls of the pages of the site, of each model, and of the first object of each model."""
    from django.urls import reverse

    yield from (reverse(f"admin:{name}") for name in ("index", "password_change"))
    for model, shown in registered():
        yield reverse("admin:app_list", args=[model._meta.app_label])
        row = model._default_manager.first()
        for pattern in shown.get_urls():
            taken = pattern.pattern.converters.keys()
            if getattr(pattern, "name", None) and taken <= {"object_id", "id"}:
                yield reverse(f"admin:{pattern.name}", args=[row.pk for _ in taken])


def registered() -> Iterator[tuple[Any, Any]]:
    """Yield the models of the admin, with what shows them."""
    from django.apps import apps
    from django.contrib.admin import site

    models = sorted(
        (model for model in apps.get_models() if site.is_registered(model)), key=lambda model: model.__name__
    )
    yield from ((model, site.get_model_admin(model)) for model in models)


def actions(request: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the url of each list, and what is posted to it to ask for each of its actions."""
    from django.urls import reverse

    for model, shown in registered():
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for name in shown.get_actions(request):
            yield url, {"action": name, "_selected_action": [model._default_manager.first().pk]}


def walk() -> dict[str, int]:
    """Return the status of each answer."""
    from django.contrib.auth.models import User
    from django.test import Client, RequestFactory

    make_rows()
    user, client = User.objects.create_superuser(uuid4().hex), Client()
    client.force_login(user)
    found = {f"GET {url}": client.get(url).status_code for url in pages()}
    request = RequestFactory().get("/admin/")
    request.user = user
    return found | {
        f"POST {url} {posted['action']}": client.post(url, posted).status_code for url, posted in actions(request)
    }


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(json.dumps(walk()))
