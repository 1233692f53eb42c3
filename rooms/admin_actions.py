"""Deeds: actions of the admin with a permission of their own, that ask first and are noted for each object.

A deed is a method of a DeedAdmin, named in its `actions`:

    @deed(_("Disconnect everybody"), permission="yredis_rooms.kick_room", question=_("..."), done=_("..."))
    def disconnect(self, request: HttpRequest, room: Room) -> None:
        ...

It does its work for one object, and raises YRedisError or ValueError when it can't: the others are done all the same.
What it returns is a text to be shown and noted instead of `done`, or a response for the browser.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from rooms.errors import YRedisError
from rooms.preview_html import visible

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    Base = admin.ModelAdmin[Any]
else:  # generic for type checkers only
    Base = admin.ModelAdmin

Answer = HttpResponse | str | None

MOST_NAMED = 20
"""Objects that a message or a question names; of more their number."""

MOST_CHARACTERS = 200
"""Of an object's name."""


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What can be done in the admin to one or many objects; Django's admin calls it like any other action.

    Args:
        do: the method: takes the admin, the request, an object, and what was filled into `form` by its fields' names.
        permission: "app_label.codename". Who has it not, neither sees the deed nor can do it.
        question: asked on a page of its own before anything is done.
        done: shown and noted afterwards.
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
        return Doing(self, model_admin, request, list(queryset)).respond()


def deed(description: "StrOrPromise", **options: Any) -> Callable[[Callable[..., Answer]], Deed]:
    """Make a method a deed; the options are those of Deed."""

    def decorated(do: Callable[..., Answer]) -> Deed:
        return Deed(name=do.__name__, do=do, short_description=description, **options)

    return decorated


class Doing:
    """One request for a deed."""

    def __init__(self, wanted: Deed, model_admin: "DeedAdmin", request: HttpRequest, chosen: Sequence[Any]) -> None:
        self.deed = wanted
        self.admin = model_admin
        self.request = request
        self.chosen = [one for one in chosen if wanted.applies(one)]
        self.skipped = [one for one in chosen if not wanted.applies(one)]
        self.is_across = request.POST.get("select_across") == "1"

    def respond(self) -> HttpResponse | None:
        """Return the question, what the deed answers, or the way back."""
        if self.deed.one_at_a_time and len(self.chosen) > 1:
            messages.error(self.request, _("%(deed)s: choose one at a time.") % {"deed": self.deed.short_description})
            return None
        if not self.chosen:
            self._tell_of_skipped()
            return self._back()
        # The number that was asked about: a list may have grown since.
        is_confirmed = self.request.POST.get("confirmed") == str(len(self.chosen))
        form = self._form(self.request.POST if is_confirmed else None)
        if not is_confirmed or (form and not form.is_valid()):
            return self._ask(form)
        self._tell_of_skipped()
        return self._do(form.cleaned_data if form else {}) or self._back()

    def _form(self, data: Any) -> forms.Form | None:
        return self.deed.form(data, prefix="deed") if self.deed.form else None

    def _ask(self, form: forms.Form | None) -> HttpResponse:
        context = {
            **self.admin.admin_site.each_context(self.request),
            "title": self.deed.short_description,
            "opts": self.admin.opts,
            "deed": self.deed,
            "form": form,
            "names": list(map(shown, self.chosen[:MOST_NAMED])),
            "more": max(0, len(self.chosen) - MOST_NAMED),
            "skipped": _named(map(shown, self.skipped)),
            "selected": self.chosen[:1] if self.is_across else self.chosen,
            "number": len(self.chosen),
            "is_across": self.is_across,
            "is_back": "back" in self.request.POST,
            "back_url": self._url(),
        }
        return TemplateResponse(self.request, "admin/yredis_rooms/room/confirm.html", context)

    def _do(self, answers: dict[str, Any]) -> HttpResponse | None:
        """Do it to one after the other; return the last response that it gave, if any."""
        done, failed = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        response: HttpResponse | None = None
        for one in self.chosen:
            try:
                answer = self.deed.do(self.admin, self.request, copy(one), **answers)  # a deed may delete its row
            except (YRedisError, ValueError) as error:
                failed[visible(str(error))].append(shown(one))
                continue
            text = answer if isinstance(answer, str) else str(self.deed.done)
            self.admin.log_change(self.request, one, text)
            done[text].append(shown(one))
            response = answer if isinstance(answer, HttpResponse) else response
        if response is None:  # else it would be told on some later page
            self._tell(messages.SUCCESS, _("%(text)s (%(names)s)"), done)
        self._tell(messages.ERROR, _("Not done for %(names)s: %(text)s"), failed)
        return response

    def _tell(self, level: int, template: str, by_text: dict[str, list[str]]) -> None:
        for text, names in list(by_text.items())[:MOST_NAMED]:
            messages.add_message(self.request, level, template % {"text": text, "names": _named(names)})
        if untold := sum(map(len, list(by_text.values())[MOST_NAMED:])):
            messages.add_message(self.request, level, _("... and %(number)d more.") % {"number": untold})

    def _tell_of_skipped(self) -> None:
        if self.skipped:
            words = {"deed": self.deed.short_description, "names": _named(map(shown, self.skipped))}
            messages.warning(self.request, _("%(deed)s: does not apply to %(names)s.") % words)

    def _back(self) -> HttpResponse | None:
        """Return to the object's page if the deed began there, and the page is still there."""
        return HttpResponseRedirect(self._url()) if "back" in self.request.POST else None

    def _url(self) -> str:
        if "back" not in self.request.POST:
            return self.request.get_full_path()
        for one in [*self.chosen, *self.skipped]:
            if self.admin.get_queryset(self.request).filter(pk=one.pk).exists():
                return self.admin.page_url("change", one.pk)
        return self.admin.page_url("changelist")


class DeedAdmin(Base):
    """An admin whose `actions` may be deeds; an object's page has a button for each that applies to it."""

    change_form_template = "admin/yredis_rooms/room/change_form.html"

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

    @transaction.non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Do as any list, outside the request's transaction: what a deed does with Redis is not rolled back with it.

        The other way round, a transaction of ours would keep SQLite from whoever does the deed.
        """
        return super().changelist_view(request, extra_context)

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


def shown(one: Model) -> str:
    """Return an object's name for people; whatever is in it, it turns no line around."""
    return visible(str(one)[:MOST_CHARACTERS])


def _named(names: Iterable[str]) -> str:
    """Return names in one line, of many the first and how many more there are."""
    listed = list(names)
    more = len(listed) - MOST_NAMED
    if more <= 0:
        return ", ".join(listed)
    words = {"names": ", ".join(listed[:MOST_NAMED]), "number": more}
    return ngettext("%(names)s and %(number)d more", "%(names)s and %(number)d more", more) % words
