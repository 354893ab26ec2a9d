"""How a denial reads in the ledger, in results and in `doctor`.

A denial belongs to the token and the endpoint, never to the cell: the cell stays due, and closes by
itself once the token may ask. A token that is not accepted at all is something to repair, and no
reason to do without what it would give.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop

NOT_AVAILABLE = gettext_noop("not available to this token")
NOT_ACCEPTED = gettext_noop(
    "The token is not accepted: set TUSHARE_TOKEN to the right one and start StockSync again."
)
