"""A permission for each deed in the admin."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("yredis_persistence", "0003_clocks"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="quarantined",
            options={
                "permissions": (
                    ("release_quarantined", "Can release an entry from quarantine"),
                    ("discard_quarantined", "Can discard an entry in quarantine"),
                ),
                "verbose_name": "entry in quarantine",
                "verbose_name_plural": "entries in quarantine",
            },
        ),
        migrations.AlterModelOptions(
            name="segment",
            options={
                "permissions": (
                    ("persist_room", "Can persist a room at once"),
                    ("compact_room", "Can compact a room's segments"),
                ),
                "verbose_name": "segment",
                "verbose_name_plural": "segments",
            },
        ),
    ]
