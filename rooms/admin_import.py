"""Import in the admin: a file with a Yjs update becomes the first content of a room."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rooms import api, names
from rooms.admin_actions import DeedAdmin, outside_transactions
from rooms.conf import conf
from rooms.errors import MalformedFrame, NoSuchRoom, RoomDeleted, TooBig, Undecodable, YRedisError
from rooms.models import Room

PERMISSION = "yredis_rooms.import_room"


class ImportForm(forms.Form):
    """Which room, and what is to be in it."""

    room = forms.CharField(label=gettext_lazy("Room"), help_text=gettext_lazy("One that nobody has written to yet."))
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("A Yjs update, version 1: what Y.encodeStateAsUpdate gives, or an export from here."),
    )

    def clean_room(self) -> str:
        """Return the canonical name."""
        try:
            return names.canonical(self.cleaned_data["room"])
        except NoSuchRoom as error:
            raise ValidationError(
                _("This can't be the name of a room: %(reason)s"), params={"reason": error}
            ) from error

    def clean_file(self) -> "UploadedFile[Any]":
        """Return the file, unless no document may be so large."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        most, size = conf().max_document_bytes, file.size or 0
        if most and size > most:
            sizes = {"size": filesizeformat(size), "most": filesizeformat(most)}
            raise ValidationError(_("It has %(size)s, a document may have %(most)s."), params=sizes)
        return file

    def plant(self) -> bool:
        """Give the room its content; on a failure add an error to the form and return False."""
        try:
            if api.seed_sync(self.cleaned_data["room"], self.cleaned_data["file"].read()):
                return True
            self.add_error("room", _("The room has content already: it was left alone."))
        except RoomDeleted:
            self.add_error("room", _("The room is deleted: restore or erase it first."))
        except Undecodable:
            self.add_error("file", _("A process that tried to read it ended: it was not imported."))
        except (MalformedFrame, TooBig, ValueError) as error:
            self.add_error("file", _("This can't be the content of a room: %(reason)s") % {"reason": error})
        except YRedisError as error:
            self.add_error(None, _("Not now: %(reason)s") % {"reason": error})
        return False


class ImportAdmin(DeedAdmin):
    """Adds a page for imports, and links to it."""

    def get_urls(self) -> list[URLPattern]:
        """Return the urls with that of the page."""
        opts = self.opts
        view = self.admin_site.admin_view(self.import_view)
        outside_transactions(view)
        ours = path("import/", view, name=f"{opts.app_label}_{opts.model_name}_import")
        return [ours, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Tell the list's page whether it has a link."""
        context = {"import_url": self.page_url("import") if self.may_import(request) else ""}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def links_for(self, request: HttpRequest, one: Model) -> list[tuple[str, str]]:
        """Return the further buttons, with one for an import into a room that is empty."""
        links = super().links_for(request, one)
        if not isinstance(one, Room) or not self.may_import(request) or not _is_empty(one):
            return links
        return [*links, (f"{self.page_url('import')}?{urlencode({'room': one.name})}", _("Import"))]

    def may_import(self, request: HttpRequest) -> bool:
        """Tell whether somebody may import; who may not see rooms may not."""
        return request.user.has_perm(PERMISSION) and self.has_view_permission(request)

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Show the form, or import and lead to the room's page."""
        if not self.may_import(request):
            raise PermissionDenied
        sent = request.method == "POST"
        form = ImportForm(
            request.POST if sent else None, request.FILES or None, initial={"room": request.GET.get("room", "")}
        )
        if sent and form.is_valid() and form.plant():
            return self._imported(request, form.cleaned_data["room"], form.cleaned_data["file"].size)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import a document"),
            "opts": self.opts,
            "form": form,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/yredis_rooms/room/import.html", context)

    def _imported(self, request: HttpRequest, name: str, size: int) -> HttpResponse:
        room, _created = Room.objects.get_or_create(name=name)  # a server may have noted it already
        text = _("Imported a document of %(size)s.") % {"size": filesizeformat(size)}
        self.log_change(request, room, text)
        messages.success(request, text)
        return HttpResponseRedirect(self.page_url("change", room.pk))


def _is_empty(room: Any) -> bool:
    """Tell whether a room can be imported into, as far as is known; a deleted one can not."""
    if room.deleted_at is not None or getattr(room, "away", None):  # Redis gave no answer a moment ago
        return False
    try:
        return not api.exists_sync(room.name)
    except YRedisError:
        return False
