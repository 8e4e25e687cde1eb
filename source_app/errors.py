"""Every refusal of the source's interface, one class per thing a page says differently."""

from enum import StrEnum


class SourceError(Exception):
    """Base of every refusal of this package."""


class LineFullError(SourceError):
    """Too many people are opening mailboxes at this moment."""


class NotOpenError(SourceError):
    """No mailbox is open in this browser: never was, logged out, or expired."""


class MailboxGoneError(SourceError):
    """The mailbox that was open here has ended meanwhile."""


class TicketExpiredError(SourceError):
    """The passphrase on the practise form is too old, or was not drawn by this server since its start."""


class WordsUsedError(SourceError):
    """A mailbox was opened with these words: they are neither shown nor compared a second time."""


class OtherWordsError(SourceError):
    """What was typed is not the passphrase that was shown; places count from 1."""

    def __init__(self, wrong: list[int], unknown: list[int]) -> None:
        super().__init__("other words than were shown")
        self.wrong = wrong
        self.unknown = unknown


class NoMailboxError(SourceError):
    """No mailbox opens with these words: wrong, mistyped or ended look the same. Places count from 1."""

    def __init__(self, unknown: list[int]) -> None:
        super().__init__("no mailbox opens with these words")
        self.unknown = unknown


class NotFoundError(SourceError):
    """This mailbox holds no such entry or file; another may."""


class ReportMissingError(SourceError):
    """The letterhead names this report, but the store has none, or another than the desk signed for."""


class MailboxFullError(SourceError):
    """As many entries of the source, or bytes of them, as one mailbox may hold."""


class DeskWroteError(SourceError):
    """The desk wrote something between the look at the mailbox and the word that rests on it."""


class Refusal(StrEnum):
    """Why a message was not taken; the text comes back with it."""

    EMPTY = "empty"  # neither text nor files
    TEXT_TOO_LONG = "text_too_long"
    TOO_MANY_FILES = "too_many_files"
    FILES_TOO_LARGE = "files_too_large"  # over the limit of one message
    NO_ROOM = "no_room"  # quota of the mailbox or the store, or the disk: the text alone can still go
    MAILBOX_FULL = "mailbox_full"  # as many entries as a source may write in one
    CUT_OFF = "cut_off"  # the upload broke off on the way
    UNREADABLE = "unreadable"  # not a form that a browser sends, or a header or file name out of all bounds
    FORM_EXPIRED = "form_expired"  # the form was not made in this session
    CHANGED = "changed"  # this form was already sent, with another text or other files
    GONE = "gone"  # the mailbox has ended meanwhile
    STORE = "store"  # the store does not take anything now: try again later


class MessageRefusedError(SourceError):
    """A message was not taken, and nothing of it was kept."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class AnswerRefusal(StrEnum):
    """Why an answer to a proposal was not taken; a wish that was typed comes back with it."""

    NOT_TICKED = "not_ticked"  # agreeing takes two movements of the hand
    NO_WISH = "no_wish"  # changes asked, and not which
    TEXT_TOO_LONG = "text_too_long"
    FORM_EXPIRED = "form_expired"  # the form was not made in this session
    OTHER_PROPOSAL = "other_proposal"  # what the form speaks of is not what lies in the mailbox
    OBSOLETE = "obsolete"  # a newer proposal took its place
    TOO_LATE = "too_late"  # it is being passed on
    ANSWERED = "answered"  # this answer was given before, or there is no agreement to take back
    CHANGED = "changed"  # this form was already sent, with another answer
    MAILBOX_FULL = "mailbox_full"


class AnswerRefusedError(SourceError):
    """An answer to a proposal was not taken, and nothing of it was sent."""

    def __init__(self, refusal: AnswerRefusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class ProposalClosedError(AnswerRefusedError):
    """It is being passed on: no answer counts any more, and nothing is taken back."""

    def __init__(self) -> None:
        super().__init__(AnswerRefusal.TOO_LATE)
