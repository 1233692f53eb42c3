"""What an accepted update survives, in words, as far as Redis tells how it is configured."""

from collections.abc import Mapping

from django.utils.translation import gettext as _

UNKNOWN = "?"

HARMLESS_POLICIES = ("noeviction", UNKNOWN)


def survives(found: Mapping[str, str]) -> str:
    """Return what becomes of accepted updates that are not persisted yet when Redis is killed.

    Args:
        found: as RedisClient.durability gives it.
    """
    match found["appendonly"], found["appendfsync"]:
        case "yes", "always":
            return _("An accepted update survives a crash of Redis and of its machine.")
        case "yes", "everysec":
            return _("A crash of Redis' machine may lose about the last second of accepted updates.")
        case "yes", _other:
            return _("A crash of Redis' machine may lose accepted updates of about half a minute.")
        case "no", _other:
            return _("A crash or restart of Redis may lose accepted updates that are not persisted yet.")
    return _("Redis does not tell what an accepted update survives.")


def warnings(found: Mapping[str, str]) -> list[str]:
    """Return what should be configured otherwise."""
    policy = found["maxmemory_policy"]
    if policy in HARMLESS_POLICIES:
        return []
    if policy.startswith("volatile-"):
        return [_("A full Redis throws cursors away (%(policy)s); documents are safe.") % {"policy": policy}]
    text = _("A full Redis throws documents away (%(policy)s): set maxmemory-policy to noeviction.")
    return [text % {"policy": policy}]
