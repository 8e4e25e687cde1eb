"""Refusals of the adviser's site: exceptions whose reason is the key of a sentence in the templates.

A use case that can refuse for several reasons has one exception with an enum of reasons: a subclass of
`UseCaseRefusedError`. An exception without an enum has its own class because callers act on it differently.
"""

from enum import StrEnum
from typing import Generic, TypeVar

_Reason = TypeVar("_Reason", bound=StrEnum)


class AdviserError(Exception):
    """Base of every refusal in this package.

    `reason` is the key of its sentence in the templates.
    """

    reason: str


class UseCaseRefusedError(AdviserError, Generic[_Reason]):
    """Refusal by one use case, for one of the reasons of its enum."""

    def __init__(self, reason: _Reason) -> None:
        super().__init__(reason)
        self.reason: _Reason = reason


class UnlockRefusal(StrEnum):
    """Reasons why the desk was not unlocked. Sentences: `templates/unlock/show.html`."""

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


class SendRefusal(StrEnum):
    """Reasons why nothing was sent to a mailbox. Sentences: `templates/thread/`."""

    TEXT_MISSING = "text_missing"
    TEXT_TOO_LONG = "text_too_long"
    TOO_MANY_FILES = "too_many_files"
    NO_ROOM = "no_room"  # the files do not fit in what the mailbox or the store may still hold
    SOURCE_WROTE = "source_wrote"  # or deleted an entry; the adviser has not seen this yet
    FORM_REUSED = "form_reused"  # the form was used before, for another text
    STEP_MISSING = "step_missing"  # there is a sentence about a step, and no step was chosen
    STEP_TOO_LONG = "step_too_long"
    DAY_UNREADABLE = "day_unreadable"  # the day on which to expect the next step is not a date
    DAY_PAST = "day_past"
    DAY_CLOSED = "day_closed"  # the desk does not work on that day


class SendRefusedError(UseCaseRefusedError[SendRefusal]):
    """An answer, step, proposal or closing was not sent."""


class FileRefusal(StrEnum):
    """Reasons why a file of a mailbox was not opened. Sentences: `templates/thread/_refused.html`."""

    MISSING = "file_missing"  # no verified entry of the mailbox has such an attachment
    SEALED = "file_sealed"  # the source encrypted it before sending, and this desk cannot decrypt it
    BROKEN = "file_broken"  # the stored file is not the one that was signed or shown to the source


class FileRefusedError(UseCaseRefusedError[FileRefusal]):
    """A file of a mailbox was not opened."""


class PassOnRefusal(StrEnum):
    """Reasons why nothing was proposed or passed on. Sentences: `templates/thread/_refused.html`."""

    NO_OPENPGP = "no_openpgp"  # no OpenPGP key in the keyring, or no gpg
    RECIPIENT_KEY = "recipient_key"  # unknown, weak, or not made for encryption
    RECIPIENT_EXPIRED = "recipient_expired"
    RECIPIENT_REVOKED = "recipient_revoked"
    RECIPIENT_OTHER_KEY = "recipient_other_key"  # the key file has several keys, or not the pinned one
    RECIPIENT_MISSING = "recipient_missing"  # no recipient was chosen, or not a pinned one
    RECIPIENT_CHANGED = "recipient_changed"  # the settings have another key than the source was shown
    PREPARATION_GONE = "preparation_gone"  # not in memory any more, or its pending files were deleted
    PROPOSAL_MISSING = "proposal_missing"  # deleted, or never there
    PROPOSAL_OBSOLETE = "proposal_obsolete"  # a newer proposal replaced it
    NOT_AGREED = "not_agreed"
    WITHDRAWN = "withdrawn"  # the source withdrew consent, or deleted an entry that may have done so
    OTHER_DIGEST = "other_digest"  # the source's answer is about something other than this proposal
    REASON_MISSING = "reason_missing"  # without consent: no written reason, or no confirmation
    NOT_BEGUN = "not_begun"  # nothing can be made or handed over before passing on has begun
    NOT_CONFIRMED = "not_confirmed"  # the server has not confirmed it, so the source can still withdraw
    DISK_FULL = "disk_full"  # no room on the workstation's disk for the file for the recipient
    HANDOVER_DAY = "handover_day"  # not a date, in the future, or before the file was made


class PassOnRefusedError(UseCaseRefusedError[PassOnRefusal]):
    """A text was not proposed or passed on."""


class CasefileRefusal(StrEnum):
    """Reasons why a casefile was not changed. Sentences: `templates/casefile/show.html`."""

    MOVED = "moved"  # someone else changed the casefile since the form was shown
    FULL = "full"  # the casefile, or one of its texts, is longer than it may be
    DAY = "day"  # the day of the reminder is not a date


class CasefileRefusedError(UseCaseRefusedError[CasefileRefusal]):
    """A casefile was not changed."""


class CalendarRefusal(StrEnum):
    """Reasons why a calendar was not published. Sentences: `templates/calendar/show.html`."""

    NO_WORKING_DAY = "no_working_day"
    DAYS = "days"  # a line without a date, or with one that does not exist
    NUMBERS = "numbers"  # a number of days or months that is out of range
    TOO_MANY = "too_many"
    ABSENCE = "absence"  # ends before it begins, or lasts longer than a year


class CalendarRefusedError(UseCaseRefusedError[CalendarRefusal]):
    """A calendar was not published."""


class ReportRefusal(StrEnum):
    """Reasons why a report was not counted or published. Sentences: `templates/reports/_words.html`."""

    NOT_OVER = "not_over"  # a report is frozen when its year is over, not before
    PUBLISHED = "published"  # the figures of a published report never change
    CHANGED = "changed"  # the figures or texts are not those that the adviser looked at
    TEXT = "text"  # the adviser's text is too long, or has characters that cannot be printed
    LEDGER = "ledger"  # the processes that open the ledger were interrupted


class ReportRefusedError(UseCaseRefusedError[ReportRefusal]):
    """A yearly report was not counted or published."""


class AdviserConfigError(AdviserError, ValueError):
    """The settings cannot be used. The message names every fault and no value."""


class MailboxNotFoundError(AdviserError):
    """The store has no mailbox with this address: it ended, or never existed."""

    reason = "mailbox_missing"


class UnsoundMailboxError(AdviserError):
    """The mailbox fails verification, so no new entry may refer to its entries."""

    reason = "mailbox_unsound"


class RecordUnsoundError(AdviserError):
    """A record of the desk is forged, damaged or gone, or an older one was restored."""

    reason = "record_unsound"


class LetterheadMovedError(AdviserError):
    """Another workstation published a letterhead since the adviser looked at this one."""

    reason = "letterhead_moved"


class ReplyTemplateError(AdviserError):
    """A reply template has no name or text, or is too long, or there are too many."""

    reason = "template"


class IndexMissingError(AdviserError):
    """The search processes ended, or cannot read the store."""

    reason = "index_missing"
