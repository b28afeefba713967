"""Coming in from elsewhere: what follows when a provider has said who somebody is."""

from ostiary.arrivals.service import Arrivals

__all__ = ["Arrivals"]
