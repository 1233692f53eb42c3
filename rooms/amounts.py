"""Numbers as pages show them."""

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext as _

UNKNOWN = "?"


def plain(number: float | None) -> str:
    """Return a number with a decimal at most; "?" for None."""
    if number is None:
        return UNKNOWN
    return number_format(number, 0 if float(number).is_integer() else 1)


def lasted(seconds: float | None) -> str:
    """Return a duration in the unit that fits; "?" for None."""
    if seconds is None:
        return UNKNOWN
    for size, text in ((86_400, _("%(number)s d")), (3_600, _("%(number)s h")), (60, _("%(number)s min"))):
        if seconds >= size:
            return text % {"number": number_format(seconds / size, 1)}
    return _("%(number)s s") % {"number": number_format(seconds, 1)}


def size(number: float) -> str:
    """Return bytes in the unit that fits."""
    return filesizeformat(number)
