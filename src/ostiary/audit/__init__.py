"""The journal: read, exported, signed, verified, and cut to what is kept."""

from ostiary.audit.anchors import AnchorFailed, Anchors, shown
from ostiary.audit.checkpoints import Checkpoints
from ostiary.audit.export import Export, ExportOverrun, Order
from ostiary.audit.formats import when
from ostiary.audit.offline import verify_export
from ostiary.audit.queries import Line, Place
from ostiary.audit.retention import Cut, Retention
from ostiary.audit.service import Audit, Search
from ostiary.audit.settings import JournalSettings
from ostiary.audit.verdict import Finding, Kind, Verdict
from ostiary.audit.wanted import Wanted, network_of

__all__ = [
    "AnchorFailed", "Anchors", "Audit", "Checkpoints", "Cut", "Export", "ExportOverrun", "Finding", "JournalSettings",
    "Kind", "Line", "Order", "Place", "Retention", "Search", "Verdict", "Wanted", "network_of", "shown",
    "verify_export", "when",
]  # fmt: skip
