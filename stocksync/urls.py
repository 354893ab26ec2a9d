"""Addresses: the admin, the API with its schema, and the health check."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from django.utils.translation import gettext_lazy as _
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from scheduler_app.api.problems import unknown_path
from stocksync.doctor_api import DoctorView
from stocksync.doctor_page import doctor_page

admin.autodiscover()
admin.site.site_header = "StockSync"
admin.site.site_title = "StockSync"
admin.site.index_title = _("Overview")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # The search of unfold is not used, and it does not check the page that it is asked for.
    path("admin/search/", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/doctor/", admin.site.admin_view(doctor_page), name="doctor"),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("scheduler_app.urls")),
    path("", include("datasync_app.urls")),
    re_path(r"^api/doctor/?$", DoctorView.as_view(), name="api-doctor"),
    re_path(r"^api/schema/?$", SpectacularAPIView.as_view(), name="schema"),
    re_path(r"^api/docs/?$", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    # Last: whatever else is asked of the API is answered as the API answers.
    re_path(r"^api(?:/|$)", unknown_path),
]
