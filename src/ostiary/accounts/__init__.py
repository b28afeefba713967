"""People, their names and addresses."""

from ostiary.accounts.addresses import Address, check_address, find_address_key, has_mail_exchanger
from ostiary.accounts.agents import agent_parts, describe_agent
from ostiary.accounts.errors import AddressTaken, NoSuchAccount, TokenSpent, UsernameTaken
from ostiary.accounts.letters import (
    DISOWN,
    DISOWN_LIFETIME,
    KEEP,
    UNLOCK,
    OwnerLetters,
    mailbox_mark,
    tell_of_lock,
    tell_of_refusal,
)
from ostiary.accounts.names import Username, check_username, name_key
from ostiary.accounts.permissions import check_permission
from ostiary.accounts.profile import ProfileChange
from ostiary.accounts.queries import Account, Claim, Erasure
from ostiary.accounts.resting import RestingNames
from ostiary.accounts.service import Accounts
from ostiary.accounts.settings import AccountSettings
from ostiary.accounts.texts import clean_display_text

__all__ = [
    "DISOWN",
    "DISOWN_LIFETIME",
    "KEEP",
    "UNLOCK",
    "Account",
    "AccountSettings",
    "Accounts",
    "Address",
    "AddressTaken",
    "Claim",
    "Erasure",
    "NoSuchAccount",
    "OwnerLetters",
    "ProfileChange",
    "RestingNames",
    "TokenSpent",
    "Username",
    "UsernameTaken",
    "agent_parts",
    "check_address",
    "check_permission",
    "check_username",
    "clean_display_text",
    "describe_agent",
    "find_address_key",
    "has_mail_exchanger",
    "mailbox_mark",
    "name_key",
    "tell_of_lock",
    "tell_of_refusal",
]
