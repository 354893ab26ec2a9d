"""What the engine remembers, for staff to read: tasks, ledger cells, failures. Nothing is edited here."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from datasync_app.models import SyncFailureRecord, SyncLedger, SyncTask


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # generic for mypy only
    """A table that only the engine writes."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(SyncTask)
class SyncTaskAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "job_type",
        "status",
        "current_offset",
        "total_processed",
        "started_at",
        "updated_at",
        "completed_at",
        "failure_reason",
    ]
    list_filter = ["status", "job_type"]


@admin.register(SyncLedger)
class SyncLedgerAdmin(ReadOnlyAdmin):
    list_display = [
        "dataset",
        "cell",
        "state",
        "received_rows",
        "absent",
        "last_error",
        "next_attempt_at",
        "fetched_at",
    ]
    list_filter = ["dataset", "state"]
    search_fields = ["cell"]

    @admin.display(description=_("absent with a reason"))
    def absent(self, entry: SyncLedger) -> int:
        return len(entry.missing)


@admin.register(SyncFailureRecord)
class SyncFailureRecordAdmin(ReadOnlyAdmin):
    list_display = [
        "job_type",
        "code",
        "retry_count",
        "max_retries",
        "error_message",
        "resolved_at",
    ]
    list_filter = ["job_type"]
