"""How a denial reads in the ledger, in results and in `doctor`.

A denial belongs to the token and the endpoint, never to the cell: the cell stays due, and closes by
itself once the token may ask.
"""

from __future__ import annotations

NOT_AVAILABLE = "not available to this token"
