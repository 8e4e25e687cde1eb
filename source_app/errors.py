"""Exceptions of the source's site. Each reason is the key of a sentence in the templates.

A use case that can refuse for several reasons has one exception with an enum of reasons: a subclass of
`SourceRefusedError`. The other exceptions have separate classes, because callers act differently on each of
them. The sentences are in `templates/_refusals.html` (pages that show the form again) and
`templates/error.html` (error pages).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Generic, TypeVar

from source_app.passphrase_typos import PassphraseTypos
from source_app.queue_place import QueuePlace

_Reason = TypeVar("_Reason", bound=StrEnum)


class SourceError(Exception):
    """Base class of the exceptions of the source's site."""


class SourceRefusedError(SourceError, Generic[_Reason]):
    """The source's site refused a request of a source. `reason` says why, as a member of an enum."""

    def __init__(self, reason: _Reason) -> None:
        super().__init__(reason.value)
        self.reason: _Reason = reason


class PassphraseRefusal(StrEnum):
    """Reason why a typed passphrase did not open a mailbox."""

    OTHER_WORDS = "other_words"  # the words are not the passphrase that was shown for practice
    NO_MAILBOX = "no_mailbox"  # wrong or mistyped words, or an ended mailbox: all of these look the same


class PassphraseRefusedError(SourceRefusedError[PassphraseRefusal]):
    """A typed passphrase opened no mailbox, or it differs from the new passphrase that the source practises.

    `typos` says what is probably wrong. `wrong` has the positions, from 1, of words that differ from the new
    passphrase.
    """

    def __init__(
        self, reason: PassphraseRefusal, typos: PassphraseTypos, *, wrong: Sequence[int] = ()
    ) -> None:
        super().__init__(reason)
        self.typos = typos
        self.wrong = wrong


class TicketRefusal(StrEnum):
    """Reason why a practice ticket (form field with an encrypted new passphrase) cannot be used any more."""

    EXPIRED = "ticket_expired"  # the ticket is too old, or was made before the server's last start
    USED = "words_used"  # a mailbox was opened with its words, so the words are not shown or compared again


class TicketRefusedError(SourceRefusedError[TicketRefusal]):
    """A practice ticket (form field with an encrypted new passphrase) cannot be used any more."""


class MessageRefusal(StrEnum):
    """Reason why a message of a source was not accepted.

    After a refusal, the page shows the message form again, with the typed text.
    """

    EMPTY = "empty"  # neither text nor files
    TEXT_TOO_LONG = "text_too_long"
    SEVEN_WORDS = "seven_words"  # the text looks like a passphrase, and the page has not said so yet
    TOO_MANY_FILES = "too_many_files"
    FILES_TOO_LARGE = "files_too_large"  # the files exceed the limit of one message
    NO_ROOM = "no_room"  # no quota left, or a full disk: the text can still be sent without files
    MAILBOX_FULL = "mailbox_full"  # the source has sent as many entries as a mailbox may have
    CUT_OFF = "cut_off"  # the upload was cut off
    UNREADABLE = "unreadable"  # not a form as browsers send it, or a header or file name that is too long
    FORM_EXPIRED = "form_expired"  # the form was not made in this session
    CHANGED = "changed"  # this form was already sent, with another text or other files
    GONE = "gone"  # the mailbox has ended since the form was shown
    STORE = "store"  # the store cannot be written now: try again later


class MessageRefusedError(SourceRefusedError[MessageRefusal]):
    """A message of a source was refused, and no part of the message is in the mailbox."""


class AnswerRefusal(StrEnum):
    """Reason why the source's answer to a proposal was not accepted.

    After a refusal, the page shows the answer form again, with the typed text.
    """

    NOT_TICKED = "not_ticked"  # to agree, a source must tick a box as well as press the button
    WISH_TYPED = "wish_typed"  # the source agrees, but the text says what should be different
    NO_WISH = "no_wish"  # the source asks for changes, but the text does not say which changes
    TEXT_TOO_LONG = "text_too_long"
    SEVEN_WORDS = "seven_words"  # the text looks like a passphrase, and the page has not said so yet
    FORM_EXPIRED = "form_expired"  # the form was not made in this session
    OTHER_PROPOSAL = "other_proposal"  # the form names another proposal than the mailbox contains
    OBSOLETE = "obsolete"  # a newer proposal replaced this proposal, or its workstation was retired
    TOO_LATE = "too_late"  # the text of the proposal is being passed on: no answer counts any more
    ANSWERED = "answered"  # this answer was given before, or there is no agreement to take back
    FILE_DOES_NOT_OPEN = "file_does_not_open"  # a file of the proposal is missing or damaged
    CHANGED = "changed"  # this form was already sent, with another answer
    MAILBOX_FULL = "mailbox_full"  # the source has sent as many entries as a mailbox may have


class AnswerRefusedError(SourceRefusedError[AnswerRefusal]):
    """The source's answer to a proposal was not accepted, and no part of the answer was sent."""


class QueueFullError(SourceError):
    """Too many people are logging in at this moment.

    The person should try again after `wait_seconds`. If the form of the next attempt contains `place`, the
    waiting time counts from the person's first attempt.
    """

    def __init__(self, place: QueuePlace, wait_seconds: int) -> None:
        super().__init__("too many people are logging in")
        self.place = place
        self.wait_seconds = wait_seconds


class MailboxLimitError(SourceError):
    """No more mailboxes can be started in this half hour."""


class MailboxBusyError(SourceError):
    """Too many requests for the same mailbox came at the same time."""


class NotFoundError(SourceError):
    """The requested entry, file or page does not exist."""


class DamagedFileError(SourceError):
    """An attached file that an entry of the mailbox names is damaged or missing in the store."""


class ReportMissingError(SourceError):
    """A report that the desk's letterhead names is missing in the store, or is not the signed report.

    A letterhead is the desk's signed public statement.
    """


class SignpostError(SourceError):
    """A text file of the signpost (the questions that lead to a route) has a fault.

    The message names the file and the place in one sentence.
    """
