"""Signing in and out, by as many proofs as an account asks for."""

from ostiary.login.arrivals.service import Arrivals
from ostiary.login.browsers import RememberedBrowsers
from ostiary.login.entrance import Entrance, SecondFactorOwed
from ostiary.login.factors import SecondFactor, SecondFactors
from ostiary.login.identity import ByIdentity
from ostiary.login.links.verb import ByLink
from ostiary.login.second_step import SecondStep
from ostiary.login.service import Login, folded
from ostiary.login.settings import LoginSettings
from ostiary.login.step_up import StepUp
from ostiary.login.tickets import Tickets

__all__ = [
    "Arrivals",
    "ByIdentity",
    "ByLink",
    "Entrance",
    "Login",
    "LoginSettings",
    "RememberedBrowsers",
    "SecondFactor",
    "SecondFactorOwed",
    "SecondFactors",
    "SecondStep",
    "StepUp",
    "Tickets",
    "folded",
]
