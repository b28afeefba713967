"""Letters, and how they leave the house."""

from ostiary.mail.letters import Letter, Letters, masked
from ostiary.mail.post import FolderPost, KeptLetter, Mailbox, Post, SmtpPost, as_message, post_for
from ostiary.mail.settings import MailSettings

__all__ = [
    "FolderPost",
    "KeptLetter",
    "Letter",
    "Letters",
    "MailSettings",
    "Mailbox",
    "Post",
    "SmtpPost",
    "as_message",
    "masked",
    "post_for",
]
