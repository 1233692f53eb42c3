"""`{% load yredis %}`: what a page needs to connect."""

from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.utils.html import json_script
from django.utils.safestring import SafeString

from authbridge.connection import connection

register = template.Library()


@register.simple_tag(takes_context=True)
def yredis_connection(context: dict[str, Any], room: str, element_id: str = "yredis-connection") -> SafeString:
    """Write a script element with JSON that tells how to connect to a room; see authbridge.connection.

    Raises:
        NoSuchRoom, YRedisError: as authbridge.connection.connection.
        ImproperlyConfigured: the template has no `request`.
    """
    if "request" not in context:
        processor = "django.template.context_processors.request"
        raise ImproperlyConfigured(f"yredis_connection needs `request` in the template's context: see {processor}")
    return json_script(connection(context["request"], room), element_id)
