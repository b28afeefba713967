"""Forward authentication: a proxy asks for each request of an application who has sent it."""

from ostiary.forward.places import ReturnPlaces, refuse_unreachable

__all__ = ["ReturnPlaces", "refuse_unreachable"]
