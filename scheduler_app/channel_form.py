"""The form of a notification channel. The admin shows it, and the API reads its fields by it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scheduler_app.models import NotificationChannel
from scheduler_app.notifications import addresses, sealing


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy only
    """The address goes in and never comes out: an empty box leaves the one that is stored."""

    address = forms.CharField(
        label=_("Address"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    language = forms.ChoiceField(label=_("Language"), choices=lambda: list(settings.LANGUAGES))

    class Meta:
        model = NotificationChannel
        fields = ("name", "kind", "address", "enabled", "on_change", "digest_at", "language")
        help_texts = {
            "kind": _("A ping tells a watcher elsewhere that this scheduler lives: when none comes, "
                      "it raises the alarm that a dead machine cannot."),
            "on_change": _("When a schedule fails after its last attempt, works again, pauses "
                           "itself, or has no success by the time that it should."),
            "digest_at": _("A summary of the last 24 hours, every day; empty: none."),
        }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "address" in self.fields:
            self.fields["address"].help_text = self._what_an_address_is()

    def _what_an_address_is(self) -> str:
        said = gettext(
            "For messages, as Apprise writes it: %(examples)s. For a ping, a URL. It is stored "
            "encrypted and never shown."
        ) % {"examples": addresses.EXAMPLES}
        if self.instance.pk is None:
            return said
        stored = gettext("One of %s is stored; leave this empty to keep it.")
        return f"{stored % self.instance.service} {said}"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        address, kind = cleaned.get("address", "").strip(), cleaned.get("kind")
        if kind is None:
            return cleaned
        if not address:
            if self.instance.pk is None:
                self.add_error("address", gettext("An address is needed."))
            elif kind != self.initial["kind"]:
                self.add_error(
                    "address", gettext("What is sent has changed: enter an address for it.")
                )
            return cleaned
        try:
            self.instance.service = addresses.service_of(address, kind)
        except addresses.BadAddress as problem:
            self.add_error("address", str(problem))
        else:
            self.instance.sealed_address = sealing.seal(address)
            self.instance.last_error = ""
        return cleaned

    def save(self, commit: bool = True) -> NotificationChannel:
        channel: NotificationChannel = super().save(commit=False)
        if "digest_at" in self.changed_data and channel.digest_at is not None:
            # A time that has passed today means tomorrow.
            local = timezone.localtime()
            channel.digest_on = local.date() if channel.digest_at <= local.time() else None
        if commit:
            channel.save()
        return channel
