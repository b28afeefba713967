"""What the house holds about people: given to them whole, and erased when they ask."""

from ostiary.privacy.export import PersonalData
from ostiary.privacy.service import Privacy
from ostiary.privacy.settings import PrivacySettings

__all__ = ["PersonalData", "Privacy", "PrivacySettings"]
