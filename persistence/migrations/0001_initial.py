"""The first tables."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("yredis_rooms", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("due_at", models.DateTimeField(db_index=True, verbose_name="due")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="attempts")),
                ("last_error", models.TextField(blank=True, verbose_name="last error")),
                (
                    "version",
                    models.BigIntegerField(default=1, help_text="Raised by every persist.", verbose_name="version"),
                ),
                (
                    "room",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="delivery",
                        to="yredis_rooms.room",
                        verbose_name="room",
                    ),
                ),
            ],
            options={
                "verbose_name": "webhook delivery",
                "verbose_name_plural": "webhook deliveries",
            },
        ),
        migrations.CreateModel(
            name="Quarantined",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entry_id", models.CharField(max_length=41, verbose_name="entry")),
                ("data", models.BinaryField(verbose_name="bytes")),
                ("user_id", models.TextField(blank=True, verbose_name="user")),
                ("connection_id", models.TextField(blank=True, verbose_name="connection")),
                ("reason", models.TextField(verbose_name="reason")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="since")),
                (
                    "room",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="quarantine",
                        to="yredis_rooms.room",
                        verbose_name="room",
                    ),
                ),
            ],
            options={
                "verbose_name": "entry in quarantine",
                "verbose_name_plural": "entries in quarantine",
            },
        ),
        migrations.CreateModel(
            name="Segment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("generation", models.PositiveIntegerField(default=0, verbose_name="generation")),
                (
                    "kind",
                    models.CharField(
                        choices=[("snapshot", "snapshot"), ("delta", "delta")], max_length=10, verbose_name="kind"
                    ),
                ),
                ("first_entry_id", models.CharField(max_length=41, verbose_name="first entry")),
                ("last_entry_id", models.CharField(max_length=41, verbose_name="last entry")),
                ("fence", models.BigIntegerField(verbose_name="fence")),
                ("entries", models.PositiveIntegerField(verbose_name="entries")),
                ("byte_size", models.BigIntegerField(verbose_name="bytes")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256")),
                ("payload", models.BinaryField(null=True, verbose_name="payload")),
                (
                    "storage",
                    models.CharField(
                        blank=True, help_text="Alias in settings.STORAGES.", max_length=100, verbose_name="storage"
                    ),
                ),
                ("location", models.CharField(blank=True, db_index=True, max_length=500, verbose_name="location")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "room",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="segments",
                        to="yredis_rooms.room",
                        verbose_name="room",
                    ),
                ),
            ],
            options={
                "verbose_name": "segment",
                "verbose_name_plural": "segments",
                "indexes": [models.Index(fields=["room", "generation", "id"], name="yredis_segment_chain")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("location", ""), ("payload__isnull", False)),
                            models.Q(("payload__isnull", True), models.Q(("location", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="yredis_segment_has_bytes",
                    )
                ],
            },
        ),
    ]
