"""Pages of the admin about stocks: the list with its search, and the chart of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from datasync_app.models import StockBasic
from datasync_app.reading.bars import Adjust, newest_day
from scheduler_app.errors import short


class StockPages(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy only
    """The part of the stocks' admin that shows one as a chart of its bars."""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The chart of a code, whether the list has it or only bars do."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        code = unquote(object_id)
        is_text = "\0" not in code
        stock = StockBasic.objects.filter(pk=code).first() if is_text else None
        newest = newest_day(code) if is_text else None
        if stock is None and newest is None:
            said = _("There is neither a stock nor a bar of %s.") % short(code)
            self.message_user(request, said, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:datasync_app_stockbasic_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{code} {stock.name or ''}".strip() if stock else code,
            "code": code,
            "stock": stock,
            "newest": newest,
            "adjustments": [
                (Adjust.NONE, _("raw")),
                (Adjust.FORWARD, _("forward adjusted")),
                (Adjust.BACKWARD, _("backward adjusted")),
            ],
            "ranges": [(90, _("3 months")), (365, _("1 year")), (1826, _("5 years"))],
            **(extra_context or {}),
        }
        return TemplateResponse(request, "datasync_app/stock.html", context)
