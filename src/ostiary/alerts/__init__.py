"""What the keepers must know: raised once, told to the log, by mail and by signed webhooks."""

from ostiary.alerts.kinds import KINDS, Severity
from ostiary.alerts.queries import Alert
from ostiary.alerts.service import Alerts
from ostiary.alerts.settings import AlertSettings
from ostiary.alerts.sinks import Sinks, Told

__all__ = ["KINDS", "Alert", "AlertSettings", "Alerts", "Severity", "Sinks", "Told"]
