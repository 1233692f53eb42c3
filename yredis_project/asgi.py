"""The demo site's ASGI application: Django, and the rooms under ws/."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yredis_project.settings")

from django.core.asgi import get_asgi_application

from rooms.routing import with_rooms

application = with_rooms(get_asgi_application())
