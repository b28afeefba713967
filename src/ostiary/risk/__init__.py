"""How risky a sign-in is, why, and what a policy does about it."""

from ostiary.risk.facts import Facts
from ostiary.risk.outcome import Outcome, replay
from ostiary.risk.places import NoPlaces, Place, Places
from ostiary.risk.policy_file import policy_in, policy_text
from ostiary.risk.records import Recorded, Records
from ostiary.risk.service import Risk
from ostiary.risk.settings import Policy, RiskSettings
from ostiary.risk.verdict import ACTIONS, Action, Assessment, Reason, assess

__all__ = [
    "ACTIONS",
    "Action",
    "Assessment",
    "Facts",
    "NoPlaces",
    "Outcome",
    "Place",
    "Places",
    "Policy",
    "Reason",
    "Recorded",
    "Records",
    "Risk",
    "RiskSettings",
    "assess",
    "policy_in",
    "policy_text",
    "replay",
]
