"""The first tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Room",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="In its canonical form.", max_length=255, unique=True, verbose_name="name"
                    ),
                ),
                (
                    "generation",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Segments of lower ones belong to a document that was deleted.",
                        verbose_name="generation",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "fence",
                    models.BigIntegerField(
                        default=0, help_text="Of the last claim that wrote; none below may.", verbose_name="fence"
                    ),
                ),
                ("last_entry_id", models.CharField(default="0-0", max_length=41, verbose_name="last entry")),
                ("snapshot_bytes", models.BigIntegerField(default=0, verbose_name="bytes of the snapshot")),
                ("delta_bytes", models.BigIntegerField(default=0, verbose_name="bytes of deltas")),
                ("delta_count", models.PositiveIntegerField(default=0, verbose_name="deltas")),
                ("last_persisted_at", models.DateTimeField(blank=True, null=True, verbose_name="last persisted")),
                (
                    "lag_seconds",
                    models.FloatField(
                        default=0.0,
                        help_text="Age in seconds of the oldest entry at the last attempt to persist.",
                        verbose_name="lag",
                    ),
                ),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0, help_text="Since it was last persisted.", verbose_name="failures"
                    ),
                ),
                ("last_error", models.TextField(blank=True, verbose_name="last error")),
                (
                    "damage",
                    models.TextField(
                        blank=True, help_text="Why its segments can't be read: it is refused.", verbose_name="damage"
                    ),
                ),
                ("quarantined", models.PositiveIntegerField(default=0, verbose_name="entries in quarantine")),
                ("has_gap", models.BooleanField(default=False, verbose_name="waits for a missing update")),
                ("is_verbatim", models.BooleanField(default=False, verbose_name="kept as it was sent")),
                (
                    "state",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(
                                models.Q(("failures__gt", 0), models.Q(("damage", ""), _negated=True), _connector="OR"),
                                then=models.Value("failing"),
                            ),
                            models.When(quarantined__gt=0, then=models.Value("quarantined")),
                            models.When(has_gap=True, then=models.Value("gap")),
                            models.When(is_verbatim=True, then=models.Value("verbatim")),
                            default=models.Value("ok"),
                        ),
                        output_field=models.CharField(
                            choices=[
                                ("failing", "failing"),
                                ("quarantined", "entries in quarantine"),
                                ("gap", "waits for a missing update"),
                                ("verbatim", "kept as it was sent"),
                                ("ok", "ok"),
                            ],
                            max_length=20,
                        ),
                        verbose_name="state",
                    ),
                ),
            ],
            options={
                "verbose_name": "room",
                "verbose_name_plural": "rooms",
            },
        ),
    ]
