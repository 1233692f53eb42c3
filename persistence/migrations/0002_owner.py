"""The name by which a database's files are known."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("yredis_persistence", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Owner",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fingerprint", models.CharField(max_length=64, unique=True, verbose_name="fingerprint")),
                ("name", models.CharField(max_length=32, verbose_name="name")),
            ],
            options={
                "verbose_name": "owner of files",
                "verbose_name_plural": "owners of files",
            },
        ),
    ]
