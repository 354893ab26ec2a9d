"""The tables of market data and of what is known about them."""

from datasync_app.models.market import Daily, StockBasic, TradeCal
from datasync_app.models.quarantine import SyncQuarantine
from datasync_app.models.quota import (
    CallDay,
    CallOutcome,
    CallSlot,
    EndpointAccess,
    TushareAccount,
    TushareCall,
)
from datasync_app.models.restatement import RestatementKind, SyncRestatement
from datasync_app.models.sync import (
    GOOD_STATES,
    CellState,
    DatasetState,
    SourceIdentity,
    SyncFailureRecord,
    SyncLedger,
    SyncTask,
    TaskStatus,
)

__all__ = [
    "GOOD_STATES",
    "CallDay",
    "CallOutcome",
    "CallSlot",
    "CellState",
    "Daily",
    "DatasetState",
    "EndpointAccess",
    "RestatementKind",
    "SourceIdentity",
    "StockBasic",
    "SyncFailureRecord",
    "SyncLedger",
    "SyncQuarantine",
    "SyncRestatement",
    "SyncTask",
    "TaskStatus",
    "TradeCal",
    "TushareAccount",
    "TushareCall",
]
