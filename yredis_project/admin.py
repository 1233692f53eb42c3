"""How the admin of the demo looks. Its app comes last in INSTALLED_APPS: all others have registered their models."""

from django.apps import apps
from django.contrib import admin

if apps.is_installed("unfold"):
    from yredis_project.theme import dress

    dress(admin.site)
