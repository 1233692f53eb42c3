"""What became of each room hour by hour."""

from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):
    dependencies = [
        ("yredis_rooms", "0003_permissions"),
    ]

    operations = [
        migrations.AddField(
            model_name="room",
            name="activity",
            field=models.JSONField(
                db_default=Value([], models.JSONField()),
                default=list,
                editable=False,
                help_text="Points of an hour each: hour since the epoch, updates persisted in it, bytes at its end.",
                verbose_name="activity",
            ),
        ),
    ]
