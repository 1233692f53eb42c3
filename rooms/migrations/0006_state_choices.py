"""The labels of a room's states are the field's own, too. No database knows of them."""

from django.db import migrations, models

STATES = [
    ("erasing", "being erased"),
    ("deleted", "deleted"),
    ("failing", "failing"),
    ("quarantined", "entries in quarantine"),
    ("gap", "waits for a missing update"),
    ("verbatim", "kept as it was sent"),
    ("ok", "ok"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("yredis_rooms", "0005_policy"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(  # SQLite would write the whole table anew
            state_operations=[
                migrations.AlterField(
                    model_name="room",
                    name="state",
                    field=models.GeneratedField(
                        choices=STATES,
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
                        output_field=models.CharField(choices=STATES, max_length=20),
                        verbose_name="state",
                    ),
                ),
            ],
        ),
    ]
