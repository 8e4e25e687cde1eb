"""Refusals of the adviser's site: exceptions whose reason is the key of a sentence in the templates.

A use case that can refuse for several reasons has one exception with an enum of reasons: a subclass of
`UseCaseRefusedError`. An exception without an enum has a class of its own because its callers act on it differently.
"""

from enum import StrEnum
from typing import Generic, TypeVar

_Reason = TypeVar("_Reason", bound=StrEnum)


class AdviserError(Exception):
    """Base of every refusal in this package.

    `reason` is the key of its sentence in the templates: the name of the class where it has no enum.
    """

    reason: str

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.reason = cls.__name__


class UseCaseRefusedError(AdviserError, Generic[_Reason]):
    """Refusal by one use case, for one of the reasons of its enum."""

    def __init__(self, reason: _Reason) -> None:
        super().__init__(reason)
        self.reason: _Reason = reason


class UnlockRefusal(StrEnum):
    """Reasons why the desk was not unlocked. Sentences: `templates/door/unlock.html`."""

    MISSING = "missing"  # no keyring at the place that the settings name
    EXPOSED = "exposed"  # others can read the keyring, or it is not a plain file
    CLOSED = "closed"  # wrong passphrase or damaged keyring: no one can tell these apart
    OTHER_DESK = "other_desk"  # the keyring belongs to another desk than the pinned fingerprint
    LETTERHEAD = "letterhead"  # missing, forged, or older than one seen before


class UnlockRefusedError(UseCaseRefusedError[UnlockRefusal]):
    """The desk was not unlocked."""


class UnsentRefusal(StrEnum):
    """Reasons why a form that was sent to the locked app was not kept."""

    FULL = "full"  # the text is too long, or too many forms are kept already
    LETTERHEAD = "letterhead"  # missing or forged, so there is no key to encrypt to


class UnsentRefusedError(UseCaseRefusedError[UnsentRefusal]):
    """A form that was sent to the locked app was not kept."""


class PassOnRefusal(StrEnum):
    """Reasons why nothing was passed on. Sentences: `templates/thread/_refused.html`."""

    NO_OPENPGP = "no_openpgp"  # no OpenPGP key in the keyring, or no gpg
    RECIPIENT_KEY = "recipient_key"  # unknown, weak, or not made for encryption
    RECIPIENT_EXPIRED = "recipient_expired"
    RECIPIENT_REVOKED = "recipient_revoked"
    RECIPIENT_OTHER_KEY = "recipient_other_key"  # the key file has several keys, or not the pinned one


class PassOnRefusedError(UseCaseRefusedError[PassOnRefusal]):
    """A text was not proposed or passed on."""


class AdviserConfigError(AdviserError, ValueError):
    """The settings cannot be used; the message names every fault and no value."""


class MailboxNotFoundError(AdviserError):
    """No mailbox of that address is in the store: ended since, or never there."""


class FileMissingError(AdviserError):
    """No attachment of that id hangs on a verified entry of the mailbox."""


class AnswerError(AdviserError):
    """Base of what stops an answer; the page comes back with its text."""


class TextMissingError(AnswerError):
    """There is no text to send."""


class TextOverLimitError(AnswerError):
    """The text is longer than a message may be."""


class TooManyFilesError(AnswerError):
    """More files than one answer may carry."""


class FileOverRoomError(AnswerError):
    """The files do not fit in what the mailbox or the store may still hold."""


class SourceWroteError(AnswerError):
    """The source wrote, or removed, something that the adviser has not seen yet."""


class AnotherTextError(AnswerError):
    """This form was used before, for another text."""


class UnsoundMailboxError(AnswerError):
    """Something in the mailbox fails verification; nothing may be built upon it."""


class StepMissingError(AnswerError):
    """There is a sentence about where things stand, and no step is chosen."""


class StepOverLimitError(AnswerError):
    """The sentence of a step, or what is next, is longer than it may be."""


class DayUnreadableError(AnswerError):
    """What was typed is no day."""


class DayPastError(AnswerError):
    """The day on which to expect the next step is over."""


class DayClosedError(AnswerError):
    """The desk does not work on the day on which to expect the next step."""


class IndexMissingError(AdviserError):
    """What searches the texts has not answered: it is gone, or the store cannot be read."""


class RecordUnsoundError(AdviserError):
    """What the desk kept for itself is forged, damaged, gone, or an older one was put back."""


class CasefileMovedError(AdviserError):
    """Somebody else changed the casefile since this form was shown."""


class CasefileFullError(AdviserError):
    """The casefile, or one of its texts, is longer than it may be."""


class YearNotOverError(AdviserError):
    """A report is frozen when its year is over, not before."""


class AlreadyPublishedError(AdviserError):
    """This year's report was published; its figures never change."""


class CountsChangedError(AdviserError):
    """Figures or words are not those that the adviser looked at."""


class OwnWordsError(AdviserError):
    """The adviser's words for the report are too long, or hold what no document may carry."""


class LedgerUnreadError(AdviserError):
    """The processes that open the ledger broke off; nothing was counted."""


class LetterheadMovedError(AdviserError):
    """Another workstation published a letterhead since this one was looked at."""


class CalendarError(AdviserError):
    """A calendar that makes no sense; `reason` is the name of the sentence that says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TemplateError(AdviserError):
    """A reply template without a name or a text, too long, or one too many."""


class RecipientMissingError(AnswerError):
    """No recipient was chosen, or not one of the pinned ones."""


class RecipientChangedError(AnswerError):
    """The recipient's key in the settings is not the one that was shown to the source."""


class NoRoomToMakeError(AnswerError):
    """The workstation's disk has no room for the file that was to be made."""


class FileSealedError(AnswerError):
    """The source sealed a file before sending, and it does not open here."""


class FileBrokenError(AnswerError):
    """A file of the mailbox does not open as it was signed."""


class PreparationGoneError(AnswerError):
    """The proposal that was looked at is not in memory any more, or its files were swept."""


class ProposalMissingError(AnswerError):
    """There is no such proposal in the mailbox: deleted, or never there."""


class ProposalObsoleteError(AnswerError):
    """A newer proposal came in this one's place."""


class NotAgreedError(AnswerError):
    """The source has not agreed to this proposal."""


class TakenBackError(AnswerError):
    """The source took the agreement back, or deleted something that may have done so."""


class OtherDigestError(AnswerError):
    """The source's answer is about something else than this proposal."""


class ReasonMissingError(AnswerError):
    """To pass on without the source's agreement takes a written reason and a second word."""


class NotBegunError(AnswerError):
    """Nothing can be made or handed over before passing on was begun."""


class NotConfirmedError(AnswerError):
    """The server has not confirmed that passing on began, so until then the source may take it back."""


class DayToComeError(AnswerError):
    """The day on which something was handed over has yet to come, was before it was made, or is none."""
