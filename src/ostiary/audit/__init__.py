"""The journal, read and verified."""

from ostiary.audit.queries import Line, Place
from ostiary.audit.service import Audit
from ostiary.audit.verdict import Finding, Kind, Verdict

__all__ = ["Audit", "Finding", "Kind", "Line", "Place", "Verdict"]
