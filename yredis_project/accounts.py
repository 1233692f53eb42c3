"""The demo's accounts: a reader, a writer and a superuser, whose passwords are made once and kept in a file."""

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User

PERMISSIONS = {"reader": ["view_room"], "writer": ["view_room", "change_room"], "admin": []}
SUPERUSER = "admin"


class Account(NamedTuple):
    """Somebody who can sign in; `password` is None when it is another by now, which only they know."""

    name: str
    password: str | None


def accounts(path: Path) -> Iterator[Account]:
    """Yield the demo's accounts; who is missing is made, with a password that the file at `path` keeps."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    passwords = {name: known.get(name) or secrets.token_urlsafe(9) for name in PERMISSIONS}
    if passwords != known:
        _write(path, json.dumps(passwords))
    for name, password in passwords.items():
        user = get_user_model().objects.filter(username=name).first() or _made(name, password)
        yield Account(name, password if user.check_password(password) else None)


def _made(name: str, password: str) -> User:
    user = get_user_model().objects.create_user(
        name, password=password, is_staff=name == SUPERUSER, is_superuser=name == SUPERUSER
    )
    given = Permission.objects.filter(content_type__app_label="yredis_rooms", codename__in=PERMISSIONS[name])
    through = User.user_permissions.through
    # Without signals, which would ask Redis to tell open connections: nobody is connected as somebody new.
    through._default_manager.bulk_create(through(user=user, permission=permission) for permission in given)  # noqa: SLF001
    return user


def _write(path: Path, text: str) -> None:
    """Write a file that nobody else can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
