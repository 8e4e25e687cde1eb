"""Exceptions of the adviser's site. Each has a `reason`: the key of the sentence that a template shows.

A use case that can refuse for several reasons has one exception with an enum of reasons: a subclass of
`UseCaseRefusedError`. Every other exception here has a class of its own because callers catch it separately.
"""

from enum import StrEnum
from typing import Generic, TypeVar

_Reason = TypeVar("_Reason", bound=StrEnum)


class AdviserError(Exception):
    """Base class of every exception of the adviser's site.

    `reason` is the key of the sentence that the templates show for this exception.
    """

    reason: str


class UseCaseRefusedError(AdviserError, Generic[_Reason]):
    """Base class of the exceptions that say why a use case refused to act.

    `reason` is a member of the use case's own enum.
    """

    def __init__(self, reason: _Reason) -> None:
        super().__init__(reason)
        self.reason: _Reason = reason


class UnlockRefusal(StrEnum):
    """Reason why the desk was not unlocked. `templates/unlock/show.html` has the sentences to show."""

    MISSING = "missing"  # there is no keyring file at the path in the settings
    EXPOSED = "exposed"  # other users can read the keyring, or it is not a plain file
    CLOSED = "closed"  # wrong passphrase or damaged keyring: no one can tell these apart
    OTHER_DESK = "other_desk"  # the keyring belongs to another desk than the pinned fingerprint
    OLDER = "older"  # this computer has used a newer keyring
    LETTERHEAD = "letterhead"  # the letterhead is missing, forged, or older than one that was seen before


class UnlockRefusedError(UseCaseRefusedError[UnlockRefusal]):
    """The desk was not unlocked. `reason` says why."""


class KeysRefusal(StrEnum):
    """Reason why the keyring's slots were not changed. `templates/keys/_words.html` has the sentences."""

    CLOSED = "closed"  # the typed passphrase or sheet does not open the keyring, or the file cannot be read
    OLDER = "older"  # someone put an old keyring back
    HOLDER = "holder"  # no name, or not one line of visible characters
    DIFFERENT = "different"  # the new passphrase was typed in two ways
    WEAK = "weak"  # the new passphrase is easy to guess
    NOT_TYPED_BACK = "not_typed_back"  # the new passphrase, or the word of the sheet, is not the one shown
    SHEET = "sheet"  # a recovery sheet was typed, and only a passphrase can be changed
    TOO_MANY = "too_many"  # the keyring has 16 slots
    LAST = "last"  # without this slot, no one could open the keyring
    GONE = "gone"  # there is no such slot any more
    UNWRITTEN = "unwritten"  # the disk is full, or the file cannot be replaced


class KeysRefusedError(UseCaseRefusedError[KeysRefusal]):
    """The keyring's slots were not changed. `reason` says why."""


class SendRefusal(StrEnum):
    """Reason why an answer, step, proposal or closing was not sent.

    `templates/thread/` has the sentences to show.
    """

    TEXT_MISSING = "text_missing"
    TEXT_TOO_LONG = "text_too_long"
    TOO_MANY_FILES = "too_many_files"
    NO_ROOM = "no_room"  # the files are larger than the space that is left in the mailbox or the store
    SOURCE_WROTE = "source_wrote"  # the source wrote a message after the form was shown
    FORM_REUSED = "form_reused"  # a different text was already sent with this form
    STEP_MISSING = "step_missing"  # the adviser typed a sentence about a step, but chose no step
    STEP_TOO_LONG = "step_too_long"
    DAY_UNREADABLE = "day_unreadable"  # the day on which to expect the next step is not a date
    DAY_PAST = "day_past"
    DAY_CLOSED = "day_closed"  # the desk does not work on that day


class SendRefusedError(UseCaseRefusedError[SendRefusal]):
    """An answer, step, proposal or closing was not sent. `reason` says why."""


class FileRefusal(StrEnum):
    """Reason why a file of a mailbox was not opened.

    `templates/thread/_refused.html` has the sentences to show.
    """

    MISSING = "file_missing"  # no verified entry of the mailbox has such an attachment
    SEALED = "file_sealed"  # encrypted by the source before sending; the desk cannot decrypt it
    BROKEN = "file_broken"  # differs from the file that was signed or shown to the source


class FileRefusedError(UseCaseRefusedError[FileRefusal]):
    """A file of a mailbox was not opened. `reason` says why."""


class ConversionRefusal(StrEnum):
    """Reason why a file was not converted to pictures, text or sound.

    `templates/look/_refused.html` has the sentences to show.
    """

    EMPTY = "empty"
    UNKNOWN = "unknown"  # no converter for this type of file
    ARCHIVE = "archive"  # no program lists the files in this type of archive
    TOO_LARGE = "too_large"  # the file has more bytes than are copied into memory
    LOCKED = "locked"  # with a password
    PIXELS = "pixels"  # a picture with more pixels than are decoded
    LIMIT = "limit"  # the converter took too long, or too much memory
    FAILED = "failed"  # the file is damaged, or the converter was ended or returned something else
    MISSING = "missing"  # the converter is not installed
    NO_SANDBOX = "no_sandbox"


class ConversionRefusedError(UseCaseRefusedError[ConversionRefusal]):
    """A file was not converted to pictures, text or sound. `reason` says why."""


class PassOnRefusal(StrEnum):
    """Reason why the desk did not propose to pass on a text, or did not pass it on.

    `templates/thread/_refused.html` has the sentences to show.
    """

    NO_OPENPGP = "no_openpgp"  # the keyring has no OpenPGP key, or gpg is not installed or failed
    RECIPIENT_KEY = "recipient_key"  # the recipient's key is unknown, weak, or not made for encryption
    RECIPIENT_EXPIRED = "recipient_expired"
    RECIPIENT_REVOKED = "recipient_revoked"
    RECIPIENT_OTHER_KEY = "recipient_other_key"  # the key file has several keys, or not the pinned one
    RECIPIENT_MISSING = "recipient_missing"  # no recipient was chosen, or one that the settings do not pin
    RECIPIENT_CHANGED = "recipient_changed"  # the settings now have another key than the proposal named
    PREPARATION_GONE = "preparation_gone"  # the proposal is no longer in memory, or its files were deleted
    PROPOSAL_OBSOLETE = "proposal_obsolete"  # a newer one replaced it, or its workstation was retired
    NOT_AGREED = "not_agreed"
    WITHDRAWN = "withdrawn"  # the source withdrew, or the proposal or the answer was deleted
    SERVER_RESTORED = "server_restored"  # perhaps the server lost the source's withdrawal
    OTHER_DIGEST = "other_digest"  # the source's answer names a proposal that was never made here
    REASON_MISSING = "reason_missing"  # without consent, a written reason and a ticked box are needed
    NOT_BEGUN = "not_begun"  # passing on has not begun, or no file for the recipient was made yet
    NOT_CONFIRMED = "not_confirmed"  # the server has not confirmed the step: the source can withdraw
    DISK_FULL = "disk_full"  # the workstation's disk has no room for the export file
    HANDOVER_DAY = "handover_day"  # the day is not a date, is in the future, or before the file was made


class PassOnRefusedError(UseCaseRefusedError[PassOnRefusal]):
    """The desk did not propose to pass on a text, or did not pass it on. `reason` says why."""


class CasefileRefusal(StrEnum):
    """Reason why the desk's notes about a mailbox were not changed.

    `templates/casefile/show.html` has the sentences to show.
    """

    MOVED = "moved"  # someone else changed the casefile since the form was shown
    FULL = "full"  # the casefile, or one text in it, is too long
    DAY = "day"  # the day of the reminder is not a date


class CasefileRefusedError(UseCaseRefusedError[CasefileRefusal]):
    """The desk's notes about a mailbox were not changed. `reason` says why."""


class CalendarRefusal(StrEnum):
    """Reason why the desk's calendar was not published.

    `templates/calendar/show.html` has the sentences to show.
    """

    NO_WORKING_DAY = "no_working_day"
    DAYS = "days"  # a line is not one date, or the date does not exist
    NUMBERS = "numbers"  # a number of days or months that is out of range
    TOO_MANY = "too_many"
    ABSENCE = "absence"  # an absence ends before it begins, or lasts longer than a year


class CalendarRefusedError(UseCaseRefusedError[CalendarRefusal]):
    """The desk's calendar was not published. `reason` says why."""


class DeskTextsRefusal(StrEnum):
    """Reason why the desk's texts for sources were not published.

    `templates/about/texts.html` has the sentences to show.
    """

    TEXTS = "texts"  # a text is missing or too long, or the language does not exist


class DeskTextsRefusedError(UseCaseRefusedError[DeskTextsRefusal]):
    """The desk's texts for sources were not published. `reason` says why."""


class ReportRefusal(StrEnum):
    """Reason why the figures of a yearly report were not counted, or the report was not published.

    `templates/reports/_words.html` has the sentences to show.
    """

    NOT_OVER = "not_over"  # the year is not over, so its figures may still change
    PUBLISHED = "published"  # the figures of a published report never change
    CHANGED = "changed"  # figures or texts changed since the adviser looked at the report
    TEXT = "text"  # the adviser's text is too long, or has characters that cannot be printed
    UNRECOGNISABLE = "unrecognisable"  # the adviser did not confirm that no one can be recognised
    LEDGER = "ledger"  # the processes that decrypt the ledger were interrupted


class ReportRefusedError(UseCaseRefusedError[ReportRefusal]):
    """The figures of a yearly report could not be counted, or the report was not published."""


class AdviserConfigError(AdviserError, ValueError):
    """The settings cannot be used. The message names every fault, but shows no setting's value."""


class ForeignFormError(AdviserError):
    """The form's CSRF token is wrong: another site sent the form, or the app has locked since showing it."""

    reason = "stale"


class MailboxNotFoundError(AdviserError):
    """The store has no mailbox with this address: the mailbox ended, or never existed."""

    reason = "mailbox_missing"


class NoSuchProposalError(AdviserError):
    """The mailbox has no such proposal, or the source deleted the proposal."""

    reason = "missing"


class UnsoundMailboxError(AdviserError):
    """The mailbox failed verification, so the desk signs no new entry in it."""

    reason = "mailbox_unsound"


class RecordUnsoundError(AdviserError):
    """A record (encrypted note of the desk) is forged, damaged or missing, or is an older copy."""

    reason = "record_unsound"


class LetterheadMovedError(AdviserError):
    """Another workstation has published a newer signed public statement than the one being changed."""

    reason = "letterhead_moved"


class ReplyTemplateError(AdviserError):
    """A reply template has no name or text, or is too long, or there are too many templates."""

    reason = "template"


class UnsentRefusedError(AdviserError):
    """The app did not store a form that an adviser sent while the app was locked.

    The form is too long, too many forms are stored, or the store has no valid key to encrypt the form.
    """

    reason = "not_kept"


class IndexMissingError(AdviserError):
    """Search does not work: a search process ended, does not answer, or cannot read the store."""

    reason = "index_missing"
