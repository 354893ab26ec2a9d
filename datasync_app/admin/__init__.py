"""What the engine remembers and the calls it made, for staff to read.

The one thing that is edited here is the limit of an endpoint.
"""

from __future__ import annotations

from datasync_app.admin import apart, held, tushare

__all__ = ["apart", "held", "tushare"]
