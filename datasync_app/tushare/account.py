"""What the account behind the token holds, read from the answer of the `user` endpoint."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _

from datasync_app.tushare.outcomes import Answer, Mismatched

EXPIRY_FIELD = "到期时间"
POINTS_FIELD = "到期积分"


@dataclass(frozen=True)
class Account:
    """Points that have not expired, and the day on which the first of them will."""

    points: int
    expires: dt.date | None


def read_account(answer: Answer, today: dt.date) -> Account:
    """The account: points come in parcels, a row each, with a day of expiry of their own.

    Raises:
        Mismatched: a row holds something else than points and a date.
    """
    points, days = 0.0, []
    for item in answer.items:
        row = dict(zip(answer.fields, item, strict=True))
        try:
            expires = dt.date.fromisoformat(str(row[EXPIRY_FIELD])[:10])
            parcel = float(str(row[POINTS_FIELD]))
        except (KeyError, ValueError):
            raise Mismatched(
                _("Tushare answered user() with a row that holds no points with a date: %(row)s.")
                % {"row": row},
                api_name=answer.api_name,
            ) from None
        if expires >= today:
            points += parcel
            days.append(expires)
    return Account(int(points), min(days, default=None))
