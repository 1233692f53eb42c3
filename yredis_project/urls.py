"""The demo site's pages."""

from django.contrib import admin
from django.urls import path

from yredis_project import views

urlpatterns = [
    path("", views.index, name="index"),
    path("open", views.open_room, name="open"),
    path("edit/<path:room>", views.edit, name="edit"),
    path("admin/", admin.site.urls),
]
