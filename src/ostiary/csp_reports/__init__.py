"""Reports of violated content policies, grouped and bounded (R18)."""

from ostiary.csp_reports.errors import MalformedReport
from ostiary.csp_reports.queries import Group
from ostiary.csp_reports.reading import Report, read
from ostiary.csp_reports.service import CspReports
from ostiary.csp_reports.settings import CspReportSettings

__all__ = ["CspReportSettings", "CspReports", "Group", "MalformedReport", "Report", "read"]
