"""How far each room has what each client wrote."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("yredis_rooms", "0001_initial"),
        ("yredis_persistence", "0002_owner"),
    ]

    operations = [
        migrations.CreateModel(
            name="Clocks",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("clocks", models.BinaryField(help_text="As rooms.clocks packs them.", verbose_name="clocks")),
                (
                    "room",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="clocks",
                        to="yredis_rooms.room",
                        verbose_name="room",
                    ),
                ),
            ],
            options={
                "verbose_name": "clocks of a room",
                "verbose_name_plural": "clocks of rooms",
            },
        ),
    ]
