"""Loaded by pytest before Django's settings: tests see Django's own admin. Those of a theme start processes with it."""

import os

os.environ.setdefault("ADMIN_THEME", "plain")
