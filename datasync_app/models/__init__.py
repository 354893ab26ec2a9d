"""The tables of market data and of what is known about them."""

from datasync_app.models.concept import (
    Concept,
    ConceptDetail,
    DcIndex,
    DcMember,
    ThsIndex,
    ThsMember,
)
from datasync_app.models.finance import FINA_NUMBERS, DisclosureDate, FinaIndicator
from datasync_app.models.market import (
    AdjFactor,
    BseMapping,
    CodeChange,
    Daily,
    DailyBasic,
    IndexDaily,
    NameChange,
    StockBasic,
    SuspendD,
    TradeCal,
)
from datasync_app.models.quarantine import SyncQuarantine
from datasync_app.models.quota import (
    CallDay,
    CallOutcome,
    CallSlot,
    EndpointAccess,
    PastDay,
    TushareAccount,
    TushareCall,
)
from datasync_app.models.restatement import RestatementKind, SyncRestatement
from datasync_app.models.shard import ShardState, SyncShard
from datasync_app.models.sync import (
    GOOD_STATES,
    CellState,
    DatasetState,
    SourceIdentity,
    SyncFailureRecord,
    SyncLedger,
    SyncTask,
    TaskStatus,
    TaskWish,
)

__all__ = [
    "FINA_NUMBERS",
    "GOOD_STATES",
    "AdjFactor",
    "BseMapping",
    "CallDay",
    "CallOutcome",
    "CallSlot",
    "CellState",
    "CodeChange",
    "Concept",
    "ConceptDetail",
    "Daily",
    "DailyBasic",
    "DatasetState",
    "DcIndex",
    "DcMember",
    "DisclosureDate",
    "EndpointAccess",
    "FinaIndicator",
    "IndexDaily",
    "NameChange",
    "PastDay",
    "RestatementKind",
    "ShardState",
    "SourceIdentity",
    "StockBasic",
    "SuspendD",
    "SyncFailureRecord",
    "SyncLedger",
    "SyncQuarantine",
    "SyncRestatement",
    "SyncShard",
    "SyncTask",
    "TaskStatus",
    "TaskWish",
    "ThsIndex",
    "ThsMember",
    "TradeCal",
    "TushareAccount",
    "TushareCall",
]
