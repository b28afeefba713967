"""Codes by text message, as a second factor."""

from ostiary.texts.carriers import Carrier, ConsoleCarrier, KeptText, MessagesApi, carrier_for
from ostiary.texts.service import Telephone, Texts
from ostiary.texts.settings import TextSettings

__all__ = ["Carrier", "ConsoleCarrier", "KeptText", "MessagesApi", "Telephone", "TextSettings", "Texts", "carrier_for"]
