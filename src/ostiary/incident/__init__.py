"""What a keeper does when somebody is in: block, end, replace, tell."""

from ostiary.incident.service import Cause, Incident, NoticeDiffers, Status

__all__ = ["Cause", "Incident", "NoticeDiffers", "Status"]
