"""`doctor` as a page, for staff who have no shell: the same findings, by the same code."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from stocksync.checkup import checkup


def doctor_page(request: HttpRequest) -> HttpResponseBase:
    """Is everything in order? It asks the database and the settings alone, so no source that is
    dead or slow can keep the page waiting."""
    findings = list(checkup())
    context = {
        **admin.site.each_context(request),
        "title": _("Doctor"),
        "findings": findings,
        "wrong": sum(not finding.ok for finding in findings),
    }
    return TemplateResponse(request, "admin/doctor.html", context)
