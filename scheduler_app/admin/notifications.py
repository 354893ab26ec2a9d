"""Who is told, and what was told: channels to edit and try, messages to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scheduler_app import health
from scheduler_app.admin import base, look
from scheduler_app.channel_form import ChannelForm
from scheduler_app.models import ChannelKind, Delivery, Notification, NotificationChannel
from scheduler_app.notifications.messages import write_test


@admin.register(NotificationChannel)
class ChannelAdmin(base.ModelAdmin):
    form = ChannelForm
    list_display = ["name", "service", "enabled", "on_change", "shown_digest", "last"]
    actions = ["send_test"]
    readonly_fields = ["last"]
    change_form_template = "admin/scheduler_app/notificationchannel/change_form.html"

    def get_fieldsets(self, request: HttpRequest, obj: NotificationChannel | None = None) -> Any:
        where = ["name", "kind", "address", "enabled"]
        what = ["on_change", "digest_at", "language"]
        if not self.has_change_permission(request, obj):
            where[2] = "service"
        sections = [(_("Where"), {"fields": where}), (_("What"), {"fields": what})]
        if obj is not None:
            sections.append((_("Last"), {"fields": ["last"]}))
        return sections

    def get_readonly_fields(
        self, request: HttpRequest, obj: NotificationChannel | None = None
    ) -> list[str]:
        return ["last", "service"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.test_view)
        name = "scheduler_app_notificationchannel_test"
        return [path("<int:channel_id>/test/", view, name=name), *super().get_urls()]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What waits for a channel goes with it, though nobody deletes a message by itself."""
        shown, counts, needed, protected = super().get_deleted_objects(objs, request)
        return shown, counts, needed - {Notification._meta.verbose_name}, protected

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        may_test = object_id is not None and self.has_change_permission(request)
        return super().changeform_view(
            request, object_id, form_url, {"may_test": may_test, **(extra_context or {})}
        )

    def test_view(self, request: HttpRequest, channel_id: int) -> HttpResponse:
        """Write a test, which the scheduler sends."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        channel = get_object_or_404(NotificationChannel, pk=channel_id)
        self._test(request, channel)
        return HttpResponseRedirect(
            reverse("admin:scheduler_app_notificationchannel_change", args=[channel_id])
        )

    @admin.action(description=_("Send a test"), permissions=["change"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[NotificationChannel]) -> None:
        for channel in queryset:
            self._test(request, channel)

    def _test(self, request: HttpRequest, channel: NotificationChannel) -> None:
        if channel.kind == ChannelKind.HEARTBEAT:
            said = gettext("%s is pinged every minute by itself; its last result is shown here.")
            self.message_user(request, said % channel, messages.INFO)
        elif not channel.enabled:
            said = gettext("%s is off, so no test is sent to it.")
            self.message_user(request, said % channel, messages.WARNING)
        elif not health.scheduler_status().is_alive:
            write_test(channel)
            said = gettext("A test for %s waits: no scheduler is running that would send it.")
            self.message_user(request, said % channel, messages.WARNING)
        else:
            write_test(channel)
            said = gettext("A test for %s is sent within seconds; what came of it is shown here.")
            self.message_user(request, said % channel, messages.SUCCESS)

    @admin.display(description=_("daily digest at"), ordering="digest_at")
    def shown_digest(self, channel: NotificationChannel) -> str:
        zone = timezone.localtime().tzname()
        return f"{channel.digest_at:%H:%M} {zone}" if channel.digest_at else look.NOTHING

    @admin.display(description=_("last sent"))
    def last(self, channel: NotificationChannel) -> SafeString | str:
        return format_html(
            '{}<span class="run-note run-error">{}</span>',
            look.local(channel.last_sent_at),
            channel.last_error,
        )


@admin.register(Notification)
class NotificationAdmin(look.ReadOnly, base.ModelAdmin):
    list_display = ["subject", "channel", "kind", "state", "created", "note"]
    list_filter = ["state", "kind", "channel"]
    list_select_related = ["channel"]
    search_fields = ["subject"]
    fields = ["channel", "kind", "subject", "text", "state", "created", "sent", "attempts", "note"]

    @admin.display(description=_("created"), ordering="id")
    def created(self, message: Notification) -> SafeString | str:
        return look.local(message.created_at)

    @admin.display(description=_("sent"))
    def sent(self, message: Notification) -> SafeString | str:
        return look.local(message.sent_at)

    @admin.display(description=_("message"))
    def text(self, message: Notification) -> SafeString | str:
        return look.block(message.body)

    @admin.display(description=_("error"))
    def note(self, message: Notification) -> SafeString | str:
        if not message.error:
            return look.NOTHING
        if message.sent_at is None and message.attempts:
            again = gettext("tried %(times)d times; again at %(at)s") % {
                "times": message.attempts,
                "at": look.moment(timezone.localtime(message.not_before)),
            }
            waits = message.state == Delivery.WAITING
            return format_html("{} <span>{}</span>", message.error, f"({again})" if waits else "")
        return message.error
