"""Deeds: actions of the admin with a permission of their own, that ask first and are noted for each object.

A deed is a method of a DeedAdmin, named in its `actions`:

    @deed(_("Disconnect everybody"), permission="yredis_rooms.kick_room", question=_("..."), done=_("..."))
    def disconnect(self, request: HttpRequest, room: Room) -> None:
        ...

It does its work for one object, and raises YRedisError or ValueError when it can't: the others are done all the same,
unless it is Redis that gives no answer. What it returns is a text to be shown and noted instead of `done`, or a
response for the browser.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext_lazy as _

from rooms.admin_doing import Answer, Doing

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    Base = admin.ModelAdmin[Any]
else:  # generic for type checkers only
    Base = admin.ModelAdmin


UNTOLD = _("%(done)s But not all servers were told (%(reason)s): a worker tells them.")


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What can be done in the admin to one or many objects; Django's admin calls it like any other action.

    Args:
        do: the method: takes the admin, the request, an object, and what was filled into `form` by its fields' names.
        permission: "app_label.codename". Who has it not, neither sees the deed nor can do it.
        question: asked on a page of its own before anything is done.
        done: shown and noted afterwards.
        unfinished: shown and noted instead, with `done` and `reason`, when it raises Unfinished.
        consequences: what to know before one answers.
        applies: tells whether an object is one to which it can be done; others are skipped, and named.
        form: asked together with the question.
        one_at_a_time: refuse several objects.
    """

    name: str
    do: Callable[..., Answer]
    short_description: "StrOrPromise"
    permission: str
    question: "StrOrPromise"
    done: "StrOrPromise"
    unfinished: "StrOrPromise" = UNTOLD
    consequences: "StrOrPromise" = ""
    applies: Callable[[Any], bool] = lambda one: True
    form: type[forms.Form] | None = None
    one_at_a_time: bool = False

    do_not_call_in_templates = True

    def is_allowed(self, request: HttpRequest) -> bool:
        """Tell whether somebody may do it."""
        return request.user.has_perm(self.permission)

    def __call__(self, model_admin: "DeedAdmin", request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask about the chosen objects, or once that is confirmed do it; None leads back to the list."""
        if not self.is_allowed(request):
            raise PermissionDenied
        return Doing(self, model_admin, request, list(queryset.defer(*model_admin.deferred))).respond()


def deed(description: "StrOrPromise", **options: Any) -> Callable[[Callable[..., Answer]], Deed]:
    """Make a method a deed; the options are those of Deed."""

    def decorated(do: Callable[..., Answer]) -> Deed:
        return Deed(name=do.__name__, do=do, short_description=description, **options)

    return decorated


class DeedAdmin(Base):
    """An admin whose `actions` may be deeds; an object's page has a button for each that applies to it."""

    change_form_template = "admin/yredis_rooms/room/change_form.html"

    deferred: tuple[str, ...] = ()
    """Columns that may be large and that no deed needs of many objects: they are read where one is asked for."""

    def get_urls(self) -> list[URLPattern]:
        """Return the urls; that of the list, where deeds are done, is one without a transaction."""
        urls: list[URLPattern] = super().get_urls()
        for each in urls:
            if getattr(each, "name", "") == f"{self.opts.app_label}_{self.opts.model_name}_changelist":
                outside_transactions(each.callback)
        return urls

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return what somebody may do."""
        actions: dict[str, Any] = super().get_actions(request)
        return {
            name: action
            for name, action in actions.items()
            if not isinstance(action[0], Deed) or action[0].is_allowed(request)
        }

    def deeds(self) -> list[Deed]:
        """Return all deeds, whoever may do them."""
        named = (getattr(type(self), str(action), None) for action in self.actions or ())
        return [one for one in named if isinstance(one, Deed)]

    def deeds_for(self, request: HttpRequest, one: Model) -> list[Deed]:
        """Return what somebody may do to an object."""
        return [each for each in self.deeds() if each.is_allowed(request) and each.applies(one)]

    def links_for(self, request: HttpRequest, one: Model) -> list[tuple[str, str]]:
        """Return addresses and texts of further buttons on an object's page."""
        return []

    def page_url(self, page: str, *args: Any) -> str:
        """Return the url of one of the admin's pages: "changelist", "change" ..."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=args, current_app=self.admin_site.name)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Add the deeds to an object's page."""
        if obj is not None:
            context |= {"deeds": self.deeds_for(request, obj), "links": self.links_for(request, obj)}
            context["deeds_url"] = self.page_url("changelist")
        return super().render_change_form(request, context, add, change, form_url, obj)


def outside_transactions(view: Callable[..., Any]) -> None:
    """Keep a view out of the transactions that ATOMIC_REQUESTS makes of requests, in whichever database rooms are.

    What a deed does with Redis is not rolled back with one. The other way round, a transaction of ours would keep
    SQLite from whoever does the deed.
    """
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
