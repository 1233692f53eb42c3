"""One request for a deed of the admin: what is asked, what is done to each chosen object, what is told of it."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from rooms.errors import ComputeUnavailable, RedisUnavailable, StoreUnavailable, Unfinished, YRedisError
from rooms.preview_html import visible

if TYPE_CHECKING:
    from rooms.admin_actions import Deed, DeedAdmin

Answer = HttpResponse | str | None

MOST_NAMED = 20
"""Objects that a message or a question names; of more their number."""

MOST_CHARACTERS = 200
"""Of an object's name."""

PATIENCE_SECONDS = 20.0
"""So long one request goes on with the next object; servers and proxies give up after 30 s or more."""


class Doing:
    """One request for a deed."""

    def __init__(self, wanted: "Deed", model_admin: "DeedAdmin", request: HttpRequest, chosen: Sequence[Any]) -> None:
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
        outcome, ends = Outcome(), time.monotonic() + PATIENCE_SECONDS
        for number, one in enumerate(self.chosen):
            if outcome.is_away or time.monotonic() > ends:
                outcome.untried = self.chosen[number:]
                break
            self._do_one(one, answers, outcome)
        self._tell_of(outcome)
        return outcome.response

    def _do_one(self, one: Any, answers: dict[str, Any], outcome: "Outcome") -> None:
        try:
            answer = self.deed.do(self.admin, self.request, copy(one), **answers)  # a deed may delete its row
        except Unfinished as error:
            words = {"done": self.deed.done, "reason": visible(str(error))}
            self._note(one, str(self.deed.unfinished) % words, outcome.unfinished)
            outcome.is_away = True
        except (YRedisError, ValueError) as error:
            outcome.fail(one, error)
        else:
            self._note(one, answer if isinstance(answer, str) else str(self.deed.done), outcome.done)
            outcome.response = answer if isinstance(answer, HttpResponse) else outcome.response

    def _note(self, one: Any, text: str, by_text: dict[str, list[str]]) -> None:
        self.admin.log_change(self.request, one, text)
        by_text[text].append(shown(one))

    def _tell_of(self, outcome: "Outcome") -> None:
        if outcome.response is None:  # else it would be told on some later page
            self._tell(messages.SUCCESS, _("%(text)s (%(names)s)"), outcome.done)
        self._tell(messages.WARNING, _("%(text)s (%(names)s)"), outcome.unfinished)
        self._tell(messages.ERROR, _("Not done for %(names)s: %(text)s"), outcome.failed)
        if outcome.untried:
            words = {"names": _named(map(shown, outcome.untried)), "number": len(self.chosen) - len(outcome.untried)}
            text = _("Not tried for %(names)s: the request ended after %(number)d. Choose them again.")
            messages.error(self.request, text % words)

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
        for one in [*self.chosen, *self.skipped][:1]:  # from an object's page there comes only that one
            if self.admin.get_queryset(self.request).filter(pk=one.pk).exists():
                return self.admin.page_url("change", one.pk)
        return self.admin.page_url("changelist")


class Outcome:
    """What came of a deed, object by object: texts, each with the names of those for which it is told."""

    def __init__(self) -> None:
        self.done = defaultdict[str, list[str]](list)
        self.unfinished = defaultdict[str, list[str]](list)
        self.failed = defaultdict[str, list[str]](list)
        self.untried: Sequence[Any] = ()
        self.response: HttpResponse | None = None
        self.is_away = False

    def fail(self, one: Any, error: Exception) -> None:
        """Keep why it was not done, and whether it would be of no use to try the next one.

        A store that is away says the same of two objects; of an object's own segments it speaks by their names.
        """
        text = visible(str(error))
        is_again = isinstance(error, StoreUnavailable) and text in self.failed
        self.is_away = is_again or isinstance(error, (RedisUnavailable, ComputeUnavailable))
        self.failed[text].append(shown(one))


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
