"""The demo site's settings, with a view that edits a room."""

from yredis_project.settings import *  # noqa: F403

ROOT_URLCONF = "bench.edit_urls"
