"""What the running scheduler has loaded: django-apscheduler's mirror table, to read.

Its own admin is not used: "run now" there works inside the web request, and its history table
is not ours.
"""

from __future__ import annotations

from typing import Any

import django_apscheduler.admin  # noqa: F401  # registers what is unregistered here
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scheduler_app.admin import base, foreign, look

admin.site.unregister(DjangoJob)
admin.site.unregister(DjangoJobExecution)
foreign.name_model(DjangoJob, _("loaded schedule"), _("loaded schedules"))


@admin.register(DjangoJob)
class LoadedJobAdmin(look.ReadOnly, base.ModelAdmin):
    list_display = ["id", "next_run"]
    list_display_links = None
    fields = ["id", "next_run"]
    ordering = ["next_run_time"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        # The overview links here; in the list of apps its name would say nothing to staff.
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = {"title": _("Loaded in the scheduler")}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    @admin.display(description=_("next run"), ordering="next_run_time")
    def next_run(self, job: DjangoJob) -> SafeString | str:
        return look.local(job.next_run_time)
