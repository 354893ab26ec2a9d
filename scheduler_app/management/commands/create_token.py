"""`manage.py create_token USER [--days 365]`: an API token, shown once."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from knox.models import AuthToken

LONGEST_DAYS = 36_500


class Command(BaseCommand):
    help = gettext_noop("Make an API token for a user. It is shown once, alone on the last line.")
    requires_system_checks: list[str] = []  # they are of the code: `make lint` makes them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.description = _(self.help)
        parser.add_argument("user", help=_("the user name"))
        parser.add_argument("--days", type=int, default=365, help=_("valid for so many days [365]"))

    def handle(self, *args: Any, user: str, days: int, **options: Any) -> None:
        if not 1 <= days <= LONGEST_DAYS:
            raise CommandError(
                _("--days is %(days)d; it takes a number from 1 to %(most)d.")
                % {"days": days, "most": LONGEST_DAYS}
            )
        accounts = get_user_model()._default_manager
        account = accounts.filter(**{get_user_model().USERNAME_FIELD: user}).first()
        if account is None:
            raise CommandError(
                _("There is no user %r. `manage.py createsuperuser` makes one.") % user
            )
        if not account.is_active:
            raise CommandError(_("The user %r is not active: a token would be refused.") % user)
        made, token = AuthToken.objects.create(account, expiry=dt.timedelta(days=days))
        until = timezone.localtime(made.expiry)
        self.stdout.write(
            _(
                "A token for %(user)s, valid until %(until)s. Use it as the header Authorization: "
                "Token …; it is not shown again:"
            )
            % {"user": user, "until": f"{until:%Y-%m-%d %H:%M %Z}"}
        )
        self.stdout.write(token)
