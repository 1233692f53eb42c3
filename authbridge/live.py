"""Changes of rights that the site itself makes act on open connections at once."""

from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils import timezone

from authbridge import soon

UID = "yredis.authbridge"


def connect() -> None:
    """Listen to what tells that a user's rights may have changed. To those models only: others keep fast deletes."""
    user: Any = get_user_model()
    user_logged_out.connect(_logged_out, dispatch_uid=UID)
    for model in _with_subclasses(user):
        post_save.connect(_user_saved, sender=model, dispatch_uid=UID)
        post_delete.connect(_user_deleted, sender=model, dispatch_uid=UID)
    for name in ("groups", "user_permissions"):
        if field := getattr(user, name, None):
            m2m_changed.connect(_related, sender=field.through, dispatch_uid=UID)
    m2m_changed.connect(_related, sender=Group.permissions.through, dispatch_uid=UID)
    for model in (*_with_subclasses(Group), *_with_subclasses(Permission)):
        post_delete.connect(_rights_changed, sender=model, dispatch_uid=UID)
    for model in _object_permissions():
        post_save.connect(_rights_changed, sender=model, dispatch_uid=UID)
        post_delete.connect(_rights_changed, sender=model, dispatch_uid=UID)
    if session := _session_model():
        for model in _with_subclasses(session):
            post_delete.connect(_session_ended, sender=model, dispatch_uid=UID)


def _with_subclasses(model: Any) -> list[Any]:
    """Return a model, its proxies and its children: Django names as sender whichever was used."""
    return [each for each in apps.get_models() if issubclass(each, model)]


def _object_permissions() -> list[Any]:
    """Return django-guardian's models, where it is installed."""
    if not apps.is_installed("guardian"):
        return []
    guardian: Any = import_module("guardian.utils")
    return [guardian.get_user_obj_perms_model(), guardian.get_group_obj_perms_model()]


def _session_model() -> Any:
    """Return the model of the sessions, where they are rows."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    return store.get_model_class() if hasattr(store, "get_model_class") else None


def _after_commit(user_id: str | None, using: str | None) -> None:
    transaction.on_commit(lambda: soon.recheck(user_id), using=using, robust=True)


def _logged_out(user: Any = None, **kwargs: object) -> None:
    if user is not None and user.pk is not None:
        soon.recheck(str(user.pk))


def _user_saved(instance: Any, created: bool, using: str, update_fields: Any = None, **kwargs: object) -> None:
    if not created and set(update_fields or ()) != {"last_login"}:  # each login saves that
        _after_commit(str(instance.pk), using)


def _user_deleted(instance: Any, using: str, **kwargs: object) -> None:
    _after_commit(str(instance.pk), using)


def _related(instance: Any, action: str, using: str, **kwargs: object) -> None:
    """Take a change between users, groups and permissions; of several users or a group, it concerns everybody."""
    if action.startswith("post_"):
        _after_commit(str(instance.pk) if isinstance(instance, get_user_model()) else soon.EVERYBODY, using)


def _rights_changed(instance: Any, using: str, **kwargs: object) -> None:
    """Take a change to an object permission, or the end of a group or permission."""
    user_id = getattr(instance, "user_id", None)
    _after_commit(soon.EVERYBODY if user_id is None else str(user_id), using)


def _session_ended(instance: Any, using: str, **kwargs: object) -> None:
    """Take a logout, or a session that was deleted by hand; not those that `clearsessions` finds expired."""
    if instance.expire_date <= timezone.now():
        return
    user_id = instance.get_decoded().get(SESSION_KEY)
    if user_id is not None:
        _after_commit(str(user_id), using)
