"""What django-unfold says on pages of the admin. It comes in English only: the demo's catalogs translate it."""

from django.utils.translation import gettext_noop as _

WORDS = (
    _("Apply Filters"),
    _("Dark"),
    _("Date"),
    _("False"),
    _("Filters"),
    _("Go back"),
    _("Light"),
    _("Loading more results..."),
    _("More actions"),
    _("No results found"),
    _("No results matching your query"),
    _("Reset filters"),
    _("Return to site"),
    _("Run"),
    _("Select action"),
    _("Select action to run"),
    _("Select all rows"),
    _("Select record"),
    _("System"),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("True"),
    _("Type to search"),
    _("Welcome back to"),
)
