"""The admin in django-unfold's clothes: each ModelAdmin as its app has it, over unfold's own."""

from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.admin import UserAdmin
from unfold.admin import ModelAdmin as UnfoldModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

PEOPLE = {"form": UserChangeForm, "add_form": UserCreationForm, "change_password_form": AdminPasswordChangeForm}
"""Forms whose fields look like unfold's: UserAdmin names forms of its own."""


def dress(site: AdminSite) -> None:
    """Register every model again, with the same pages, columns, actions and permissions in unfold's look.

    Call it when all apps have registered their models.
    """
    for model in apps.get_models():
        if site.is_registered(model):
            dressed = _dressed(type(site.get_model_admin(model)))
            site.unregister(model)
            site.register(model, dressed)


def _dressed(plain: "type[ModelAdmin[Any]]") -> "type[ModelAdmin[Any]]":
    forms = PEOPLE if issubclass(plain, UserAdmin) else {}
    return type(plain.__name__, (plain, UnfoldModelAdmin), {"__module__": __name__, "__doc__": plain.__doc__, **forms})
