"""Refusals of the source's site: exceptions whose reason is the key of a sentence in the templates.

A use case that can refuse for several reasons has one exception with an enum of reasons: a subclass of
`SourceRefusedError`. The other exceptions have classes of their own because their callers act on them
differently. The sentences are in `templates/_refusals.html` (refusals that return a form) and
`templates/error.html` (refusals that have a page of their own).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Generic, TypeVar

_Reason = TypeVar("_Reason", bound=StrEnum)


class SourceError(Exception):
    """Base of every refusal in this package."""


class SourceRefusedError(SourceError, Generic[_Reason]):
    """Refusal by one use case, for one of the reasons of its enum."""

    def __init__(self, reason: _Reason) -> None:
        super().__init__(reason.value)
        self.reason: _Reason = reason


class PassphraseRefusal(StrEnum):
    """Reasons why a typed passphrase opened no mailbox."""

    OTHER_WORDS = "other_words"  # not the passphrase that was shown for practice
    NO_MAILBOX = "no_mailbox"  # wrong, mistyped or ended: these look the same


class PassphraseRefusedError(SourceRefusedError[PassphraseRefusal]):
    """A typed passphrase opened no mailbox. Positions of words count from 1."""

    def __init__(
        self, reason: PassphraseRefusal, *, unknown: Sequence[int], wrong: Sequence[int] = ()
    ) -> None:
        super().__init__(reason)
        self.unknown = unknown  # words that are on no word list
        self.wrong = wrong  # words that differ from those shown


class TicketRefusal(StrEnum):
    """Reasons why a practice ticket cannot be used any more."""

    EXPIRED = "ticket_expired"  # too old, or made before the server's last start
    USED = "words_used"  # a mailbox was opened with its words: they are not shown or compared again


class TicketRefusedError(SourceRefusedError[TicketRefusal]):
    """The practice ticket of a new passphrase cannot be used any more."""


class MessageRefusal(StrEnum):
    """Reasons why a message was not accepted. The form returns with its text."""

    EMPTY = "empty"  # neither text nor files
    TEXT_TOO_LONG = "text_too_long"
    TOO_MANY_FILES = "too_many_files"
    FILES_TOO_LARGE = "files_too_large"  # over the limit of one message
    NO_ROOM = "no_room"  # quota of the mailbox or the store, or a full disk: the text alone can still be sent
    MAILBOX_FULL = "mailbox_full"  # the mailbox has as many entries of the source as it may have
    CUT_OFF = "cut_off"  # the upload broke off
    UNREADABLE = "unreadable"  # not a form that a browser sends, or a header or file name over all limits
    FORM_EXPIRED = "form_expired"  # the form was not made in this session
    CHANGED = "changed"  # this form was already sent, with another text or other files
    GONE = "gone"  # the mailbox has ended since the form was shown
    STORE = "store"  # the store accepts nothing now: try again later


class MessageRefusedError(SourceRefusedError[MessageRefusal]):
    """A message was not accepted, and none of it was kept."""


class AnswerRefusal(StrEnum):
    """Reasons why an answer to a proposal was not accepted. The form returns with its text."""

    NOT_TICKED = "not_ticked"  # to agree, a source must tick a box as well as press the button
    NO_WISH = "no_wish"  # changes asked, but not which
    TEXT_TOO_LONG = "text_too_long"
    FORM_EXPIRED = "form_expired"  # the form was not made in this session
    OTHER_PROPOSAL = "other_proposal"  # the form names another proposal than the mailbox contains
    OBSOLETE = "obsolete"  # a newer proposal replaced it
    TOO_LATE = "too_late"  # it is being passed on: no answer counts any more
    ANSWERED = "answered"  # this answer was given before, or there is no agreement to take back
    CHANGED = "changed"  # this form was already sent, with another answer
    MAILBOX_FULL = "mailbox_full"


class AnswerRefusedError(SourceRefusedError[AnswerRefusal]):
    """An answer to a proposal was not accepted, and none of it was sent."""


class QueueFullError(SourceError):
    """Too many people are waiting for Argon2id. A later attempt can succeed."""


class MailboxGoneError(SourceError):
    """The mailbox that is open in this browser has ended."""


class MailboxFullError(SourceError):
    """The mailbox has as many entries of the source, or as many bytes of them, as it may have."""


class NotFoundError(SourceError):
    """This mailbox has no such entry or file."""


class ReportMissingError(SourceError):
    """The store has no report that the letterhead names, or another one than the desk signed."""


class DeskWroteError(SourceError):
    """The desk wrote something since the source's site read the mailbox."""


class SignpostError(SourceError):
    """A file of the signpost has a fault. The message is one sentence with the file and the place."""
