"""Every page and endpoint, wired by name."""

from django.contrib import admin
from django.urls import include, path

from netra.api import api
from netra.health import dependencies, health, ready
from netra.http import choose_theme

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/v1/", api.urls),
    path("theme", choose_theme, name="theme"),
    path("health", health),
    path("health/ready", ready),
    path("health/dependencies", dependencies),
    path("", include("routing.urls")),
    path("", include("evaluation.urls")),
    path("", include("projects.urls")),
]
