"""Settings: the demo site with django-guardian."""

from yredis_project.settings import *  # noqa: F403
from yredis_project.settings import INSTALLED_APPS, YREDIS

INSTALLED_APPS = [*INSTALLED_APPS, "guardian"]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "guardian.backends.ObjectPermissionBackend"]
YREDIS = {**YREDIS, "PERMISSION": "authbridge.policy.by_permissions"}
