"""The demo site's pages."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path
from django.views.i18n import JavaScriptCatalog

from yredis_project import views

urlpatterns = [
    path("", views.index, name="index"),
    path("open", views.open_room, name="open"),
    path("edit/<path:room>", views.edit, name="edit"),
    path("sign-in", auth_views.LoginView.as_view(template_name="demo/login.html"), name="login"),
    path("sign-out", auth_views.LogoutView.as_view(), name="logout"),
    path("words.js", JavaScriptCatalog.as_view(packages=["yredis_project"]), name="javascript-catalog"),
    path("yauth/", include("authbridge.urls")),
    path("admin/", admin.site.urls),
]
