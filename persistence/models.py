"""The durable side's tables: segments, what could not be persisted, and webhooks on their way."""

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from rooms.models import ENTRY_ID_LENGTH, Room
from rooms.preview_html import visible


class Segment(models.Model):
    """Some entries of a room, re-readable. A room's chain is its segments by primary key: a snapshot, then deltas.

    The bytes are in `payload`, or in a Django storage under `location`.
    """

    class Kind(models.TextChoices):
        """What a segment is to its chain."""

        SNAPSHOT = "snapshot", _("snapshot")
        DELTA = "delta", _("delta")

    room = models.ForeignKey(Room, models.CASCADE, related_name="segments", verbose_name=_("room"))
    generation = models.PositiveIntegerField(_("generation"), default=0)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    first_entry_id = models.CharField(_("first entry"), max_length=ENTRY_ID_LENGTH)
    last_entry_id = models.CharField(_("last entry"), max_length=ENTRY_ID_LENGTH)
    fence = models.BigIntegerField(_("fence"))
    entries = models.PositiveIntegerField(_("entries"))
    byte_size = models.BigIntegerField(_("bytes"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    payload = models.BinaryField(_("payload"), null=True)
    storage = models.CharField(_("storage"), max_length=100, blank=True, help_text=_("Alias in settings.STORAGES."))
    location = models.CharField(_("location"), max_length=500, blank=True, db_index=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        permissions = (
            ("persist_room", _("Can persist a room at once")),
            ("compact_room", _("Can compact a room's segments")),
        )
        indexes = [models.Index(fields=["room", "generation", "id"], name="yredis_segment_chain")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(payload__isnull=False, location="")
                | (models.Q(payload__isnull=True) & ~models.Q(location="")),
                name="yredis_segment_has_bytes",
            )
        ]

    def __str__(self) -> str:
        words = {
            "kind": self.get_kind_display(),
            "number": self.pk,
            "first": self.first_entry_id,
            "last": self.last_entry_id,
        }
        return gettext("%(kind)s %(number)s: %(first)s to %(last)s") % words


class Quarantined(models.Model):
    """A stream entry that no client could be served, as it was, and who sent it."""

    room = models.ForeignKey(Room, models.CASCADE, related_name="quarantine", verbose_name=_("room"))
    entry_id = models.CharField(_("entry"), max_length=ENTRY_ID_LENGTH)
    data = models.BinaryField(_("bytes"))
    user_id = models.TextField(_("user"), blank=True)
    connection_id = models.TextField(_("connection"), blank=True)
    reason = models.TextField(_("reason"))
    created_at = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        verbose_name = _("entry in quarantine")
        verbose_name_plural = _("entries in quarantine")
        permissions = (
            ("release_quarantined", _("Can release an entry from quarantine")),
            ("discard_quarantined", _("Can discard an entry in quarantine")),
        )

    def __str__(self) -> str:
        return f"{self.entry_id}: {visible(self.reason)}"


class Delivery(models.Model):
    """The webhook has to be told of a room: one row, however often it is persisted meanwhile."""

    room = models.OneToOneField(Room, models.CASCADE, related_name="delivery", verbose_name=_("room"))
    due_at = models.DateTimeField(_("due"), db_index=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    last_error = models.TextField(_("last error"), blank=True)
    version = models.BigIntegerField(_("version"), default=1, help_text=_("Raised by every persist."))

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")

    def __str__(self) -> str:
        return f"{self.room_id}: {self.version}"


class Owner(models.Model):
    """The name by which this database's files are known (persistence.stores.owner).

    A copy of the database has the row too; its own fingerprint is another, and gets another name.
    """

    fingerprint = models.CharField(_("fingerprint"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=32)

    class Meta:
        verbose_name = _("owner of files")
        verbose_name_plural = _("owners of files")

    def __str__(self) -> str:
        return self.name


class Clocks(models.Model):
    """How far a room's chain has what each client wrote (persistence.gaps); of no use while the room has a gap."""

    room = models.OneToOneField(Room, models.CASCADE, related_name="clocks", verbose_name=_("room"))
    clocks = models.BinaryField(_("clocks"), help_text=_("As rooms.clocks packs them."))

    class Meta:
        verbose_name = _("clocks of a room")
        verbose_name_plural = _("clocks of rooms")

    def __str__(self) -> str:
        return f"{self.room_id}: {len(self.clocks)} bytes"
