"""Urls for `path("yauth/", include("authbridge.urls"))`."""

from django.urls import path

from authbridge import views

app_name = "yredis_authbridge"

urlpatterns = [
    path("token", views.token, name="token"),
    path("perm/<path:tail>", views.perm, name="perm"),
]
