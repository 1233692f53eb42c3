"""What a site decides about a room: that it is deleted, or read-only."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("yredis_rooms", "0004_activity"),
    ]

    operations = [
        migrations.AddField(
            model_name="room",
            name="deleted_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="deleted"),
        ),
        migrations.AddField(
            model_name="room",
            name="is_erasing",
            field=models.BooleanField(db_default=False, default=False, verbose_name="being erased"),
        ),
        migrations.AddField(
            model_name="room",
            name="is_read_only",
            field=models.BooleanField(db_default=False, default=False, verbose_name="read-only"),
        ),
        migrations.AddField(
            model_name="room",
            name="is_settled",
            field=models.BooleanField(db_default=True, default=True, verbose_name="Redis knows the policy"),
        ),
        migrations.AddField(
            model_name="room",
            name="policy_version",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="Raised when it is deleted, restored, or made read-only.",
                verbose_name="version of the policy",
            ),
        ),
        migrations.AlterField(
            model_name="room",
            name="generation",
            field=models.PositiveIntegerField(
                default=0,
                help_text="Segments of lower ones belong to a document that was erased.",
                verbose_name="generation",
            ),
        ),
        migrations.RemoveField(model_name="room", name="state"),  # Django can't alter a generated column
        migrations.AddField(
            model_name="room",
            name="state",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(is_erasing=True, then=models.Value("erasing")),
                    models.When(deleted_at__isnull=False, then=models.Value("deleted")),
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
                        ("erasing", "being erased"),
                        ("deleted", "deleted"),
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
        migrations.AddIndex(
            model_name="room",
            index=models.Index(condition=models.Q(("is_settled", False)), fields=["id"], name="yredis_room_unsettled"),
        ),
    ]
