"""Rows of which every version is kept, with who wrote it, when, and why, by django-simple-history.

What a writer may do by itself (`queryset.update()`, SQL) is not seen at that moment; it is found and
kept as a version of its own before the next one is written. Columns that are left out of the history
may be written as often as anyone likes.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# Written with each save: not a change of its own.
_STAMPS = ("updated_at",)


class Versioned(models.Model):
    """For a model with a `history`. A save that changes nothing leaves no version."""

    # Set before saving, these go into the version: who, where no request tells, and why.
    _history_user: str
    _change_reason: str

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        stored = self._stored()
        if stored is None:
            super().save(*args, **kwargs)
            return
        stored._keep_as_it_is()
        written = kwargs.get("update_fields")
        if written is not None:
            # A version is the whole row: what is not written now is as it is stored.
            for name in self._told().keys() - set(written):
                setattr(self, name, getattr(stored, name))
        if self._told() != stored._told():
            super().save(*args, **kwargs)
            return
        # The library looks for the attribute, whatever its value.
        self.skip_history_when_saving = True
        try:
            super().save(*args, **kwargs)
        finally:
            del self.skip_history_when_saving

    def _stored(self) -> Versioned | None:
        if self._state.adding:
            return None
        found: Versioned | None = type(self)._default_manager.filter(pk=self.pk).first()
        return found

    def _keep_as_it_is(self) -> None:
        history: Any = getattr(self, "history")  # noqa: B009  # made by HistoricalRecords
        newest = history.first()
        told = self._told()
        if newest is not None and all(getattr(newest, name) == told[name] for name in told):
            return
        fields = {name: told[name] for name in told} | {
            name: getattr(self, name) for name in _STAMPS
        }
        history.create(
            **fields,
            # The first one begins with the row; when a later one was written, nobody knows.
            history_date=timezone.now() if newest else getattr(self, "created_at"),  # noqa: B009
            history_type="~" if newest else "+",
        )

    def _told(self) -> dict[str, Any]:
        """The columns that make a version."""
        tracked = getattr(type(self), "history").model.tracked_fields  # noqa: B009
        return {field.attname: getattr(self, field.attname) for field in tracked
                if field.attname not in _STAMPS}  # fmt: skip


def who_field() -> models.Field[Any, Any]:
    """The name, and no key: it is still told when the account is gone."""
    return models.CharField(_("who"), max_length=150, null=True)  # as the library's


def get_who(version: Any) -> str:
    return version.history_user_id or ""


def set_who(version: Any, who: AbstractBaseUser | str | None) -> None:
    name = who.get_username() if isinstance(who, AbstractBaseUser) else who
    version.history_user_id = name or None
