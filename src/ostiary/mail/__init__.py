"""Letters, and how they leave the house."""

from ostiary.mail.checks import Finding, look_through, own_files, refuse_broken
from ostiary.mail.kinds import KINDS
from ostiary.mail.letters import Letter, Letters, masked
from ostiary.mail.post import FolderPost, KeptLetter, Mailbox, Post, SmtpPost, as_message, post_for
from ostiary.mail.rendering import SHIPPED
from ostiary.mail.samples import sample
from ostiary.mail.settings import MailSettings

__all__ = [
    "KINDS",
    "SHIPPED",
    "Finding",
    "FolderPost",
    "KeptLetter",
    "Letter",
    "Letters",
    "MailSettings",
    "Mailbox",
    "Post",
    "SmtpPost",
    "as_message",
    "look_through",
    "masked",
    "own_files",
    "post_for",
    "refuse_broken",
    "sample",
]
