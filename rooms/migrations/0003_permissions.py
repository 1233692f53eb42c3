"""A permission for each deed in the admin."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("yredis_rooms", "0002_kick_permission"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="room",
            options={
                "permissions": (
                    ("kick_room", "Can disconnect everybody from a room"),
                    ("freeze_room", "Can make a room read-only, and writable again"),
                    ("softdelete_room", "Can delete a room so that it can be restored"),
                    ("restore_room", "Can restore a deleted room"),
                    ("erase_room", "Can erase a room for good"),
                    ("export_room", "Can export a room's document"),
                    ("import_room", "Can import a document into an empty room"),
                ),
                "verbose_name": "room",
                "verbose_name_plural": "rooms",
            },
        ),
    ]
