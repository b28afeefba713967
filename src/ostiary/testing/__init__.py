"""For tests of applications that use Ostiary: a real one in the test's own process. Nothing else imports this."""

from ostiary.testing.authenticator import Authenticator
from ostiary.testing.blocking import Blocking
from ostiary.testing.in_process import InProcessOstiary
from ostiary.testing.letters import SentLetter
from ostiary.testing.people import PASSWORD, MintedKey, SignedIn

__all__ = ["PASSWORD", "Authenticator", "Blocking", "InProcessOstiary", "MintedKey", "SentLetter", "SignedIn"]
