"""What the database knows of rooms. Their content is in segments and streams."""

from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils.translation import gettext_lazy as _

from rooms.preview_html import visible

ENTRY_ID_LENGTH = 41
"""Of a stream id as text: two numbers of 64 bits and a hyphen."""


class Room(models.Model):
    """One room, from its first update on. The worker owns all columns from `fence` on, the API those before."""

    class State(models.TextChoices):
        """How a room does; the first that holds, from the worst on."""

        ERASING = "erasing", _("being erased")
        DELETED = "deleted", _("deleted")
        FAILING = "failing", _("failing")
        QUARANTINED = "quarantined", _("entries in quarantine")
        GAP = "gap", _("waits for a missing update")
        VERBATIM = "verbatim", _("kept as it was sent")
        OK = "ok", _("ok")

    name = models.CharField(_("name"), max_length=255, unique=True, help_text=_("In its canonical form."))
    generation = models.PositiveIntegerField(
        _("generation"), default=0, help_text=_("Segments of lower ones belong to a document that was erased.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True)
    is_read_only = models.BooleanField(_("read-only"), default=False, db_default=False)
    is_erasing = models.BooleanField(_("being erased"), default=False, db_default=False)
    policy_version = models.PositiveIntegerField(
        _("version of the policy"),
        default=0,
        db_default=0,
        help_text=_("Raised when it is deleted, restored, or made read-only."),
    )
    is_settled = models.BooleanField(_("Redis knows the policy"), default=True, db_default=True)

    fence = models.BigIntegerField(_("fence"), default=0, help_text=_("Of the last claim that wrote; none below may."))
    last_entry_id = models.CharField(_("last entry"), max_length=ENTRY_ID_LENGTH, default="0-0")
    snapshot_bytes = models.BigIntegerField(_("bytes of the snapshot"), default=0)
    delta_bytes = models.BigIntegerField(_("bytes of deltas"), default=0)
    delta_count = models.PositiveIntegerField(_("deltas"), default=0)
    last_persisted_at = models.DateTimeField(_("last persisted"), null=True, blank=True)
    lag_seconds = models.FloatField(
        _("lag"), default=0.0, help_text=_("Age in seconds of the oldest entry at the last attempt to persist.")
    )
    failures = models.PositiveIntegerField(_("failures"), default=0, help_text=_("Since it was last persisted."))
    last_error = models.TextField(_("last error"), blank=True)
    damage = models.TextField(_("damage"), blank=True, help_text=_("Why its segments can't be read: it is refused."))
    quarantined = models.PositiveIntegerField(_("entries in quarantine"), default=0)
    has_gap = models.BooleanField(_("waits for a missing update"), default=False)
    is_verbatim = models.BooleanField(_("kept as it was sent"), default=False)
    activity = models.JSONField(
        _("activity"),
        default=list,
        db_default=Value(
            [], models.JSONField()
        ),  # of the release before, which runs beside this one, rows come without
        editable=False,
        help_text=_("Points of an hour each: hour since the epoch, updates persisted in it, bytes at its end."),
    )
    state = models.GeneratedField(
        verbose_name=_("state"),
        expression=Case(
            When(is_erasing=True, then=Value(State.ERASING.value)),
            When(deleted_at__isnull=False, then=Value(State.DELETED.value)),
            When(Q(failures__gt=0) | ~Q(damage=""), then=Value(State.FAILING.value)),
            When(quarantined__gt=0, then=Value(State.QUARANTINED.value)),
            When(has_gap=True, then=Value(State.GAP.value)),
            When(is_verbatim=True, then=Value(State.VERBATIM.value)),
            default=Value(State.OK.value),
        ),
        output_field=models.CharField(max_length=20, choices=State.choices),
        choices=State.choices,  # of the field itself: the admin does not ask its output for labels
        db_persist=True,
    )

    class Meta:
        verbose_name = _("room")
        verbose_name_plural = _("rooms")
        indexes = [models.Index(fields=["id"], condition=Q(is_settled=False), name="yredis_room_unsettled")]
        permissions = (
            ("kick_room", _("Can disconnect everybody from a room")),
            ("freeze_room", _("Can make a room read-only, and writable again")),
            ("softdelete_room", _("Can delete a room so that it can be restored")),
            ("restore_room", _("Can restore a deleted room")),
            ("erase_room", _("Can erase a room for good")),
            ("export_room", _("Can export a room's document")),
            ("import_room", _("Can import a document into an empty room")),
        )

    def __str__(self) -> str:
        shown = visible(self.name)  # for people: it is in many a line of the admin
        return shown if shown == shown.strip() else f'"{shown}"'
