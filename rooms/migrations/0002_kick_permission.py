"""A permission to send people away."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("yredis_rooms", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="room",
            options={
                "permissions": (("kick_room", "Can disconnect everybody from a room"),),
                "verbose_name": "room",
                "verbose_name_plural": "rooms",
            },
        ),
    ]
