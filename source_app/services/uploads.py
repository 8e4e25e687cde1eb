"""Uploads: read a message form from the network, check its fields, and encrypt files while they arrive."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from source_app.errors import MailboxBusyError, MessageRefusal, MessageRefusedError
from source_app.services.posting import Posting
from store.errors import NoSuchMailboxError, QuotaError, StoreError
from web.errors import BodyError, BodyFault
from web.multipart import Body, Event, Field, FileBegun, FileBytes, FormLimits, read_parts

BESIDE_FILES_BYTES = 2 * 1024 * 1024  # limit on the fields and the headers of all parts of a form
_REFUSALS = {
    BodyFault.CUT_OFF: MessageRefusal.CUT_OFF,
    BodyFault.TOO_LARGE: MessageRefusal.FILES_TOO_LARGE,
    BodyFault.TOO_MANY_PARTS: MessageRefusal.TOO_MANY_FILES,
    BodyFault.FIELD_TOO_LONG: MessageRefusal.TEXT_TOO_LONG,
}

Admit = Callable[[Mapping[str, str]], Posting | None]
Commit = Callable[[Posting], object]


@dataclass(slots=True)
class ReceivedForm:
    """Result of reading a message form: the stored message (`posted`), or the reason of a refusal.

    `cause` is the class of the exception that led to the refusal. Without a session, `posted` and `refusal`
    are None.
    """

    fields: dict[str, str] = field(default_factory=dict, repr=False)
    had_files: bool = False
    posted: Posting | None = None
    refusal: MessageRefusal | None = None
    cause: type[BaseException] | None = None


def receive_form(
    body: Body, content_type: str, limits: FormLimits, *, admit: Admit, commit: Commit
) -> ReceivedForm:
    """Read a message form from a request body, and store the message. After a failure, nothing is stored.

    `admit` gets the text fields and returns the new message. If `admit` returns None, the files are
    discarded.
    """
    received = ReceivedForm()
    with _Attempt(received, admit) as attempt:
        for event in read_parts(body, content_type, limits):
            attempt.handle(event)
        posting = attempt.posting()
        if posting is not None:
            commit(posting)
            received.posted = posting
    return received


class _Attempt:
    """Context manager around the reading of a message form. After an exception, the form's files are deleted.

    An exception for which `_refusal_of` returns a reason sets `ReceivedForm.refusal`, and is not raised.
    """

    def __init__(self, received: ReceivedForm, admit: Admit) -> None:
        self._received = received
        self._admit = admit
        self._posting: Posting | None = None
        self._is_admitted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, why: BaseException | None, _trace: object) -> bool:
        if why is None:
            return False
        if self._posting is not None:
            with suppress(StoreError):  # the clean-up deletes the files that stay pending
                self._posting.abandon()
        if isinstance(why, BodyError):
            self._received.had_files |= why.reason is BodyFault.TOO_LARGE  # files were refused before a byte
            if why.unfinished is not None:
                self._received.fields.setdefault(*why.unfinished)
        # The exception itself refers to the frames of this request, which have the keys of the mailbox.
        self._received.refusal, self._received.cause = _refusal_of(why), type(why)
        return self._received.refusal is not None

    def handle(self, event: Event) -> None:
        if isinstance(event, Field):
            self._received.fields.setdefault(event.name, event.text)
            return
        self._received.had_files |= isinstance(event, FileBytes) or getattr(event, "filename", "") != ""
        posting = self.posting()
        if posting is None:
            return
        if isinstance(event, FileBegun):
            posting.begin_file(event.filename, event.media_type)
        elif isinstance(event, FileBytes):
            posting.add(event.piece)
        else:
            posting.end_file()

    def posting(self) -> Posting | None:
        if not self._is_admitted:
            self._posting = self._admit(self._received.fields)
            self._is_admitted = True
        return self._posting


def _refusal_of(why: BaseException) -> MessageRefusal | None:
    """Return the reason to show on the page with the message form.

    Return None if the app must show an error page instead.
    """
    if isinstance(why, MessageRefusedError):
        return why.reason
    if isinstance(why, NoSuchMailboxError):
        return MessageRefusal.GONE
    if isinstance(why, StoreError | MailboxBusyError):
        return MessageRefusal.NO_ROOM if isinstance(why, QuotaError) else MessageRefusal.STORE
    if isinstance(why, BodyError):
        return _REFUSALS.get(why.reason, MessageRefusal.UNREADABLE)
    return None
