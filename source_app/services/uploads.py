"""Read a message form from the network: check the fields first, then encrypt each file while it arrives."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from source_app.errors import MailboxGoneError, MessageRefusal, MessageRefusedError
from source_app.services.posting import Posting
from store.errors import StoreError
from web.errors import BodyError, BodyFault
from web.multipart import Body, Event, Field, FileBegun, FileBytes, FormLimits, read_parts

FIELDS_BYTES = (
    1024 * 1024
)  # twice 100,000 characters of four bytes, so that even a long text is returned whole
FIELDS = 8  # parts beside the files
BESIDE_FILES_BYTES = 2 * FIELDS_BYTES  # of a body: the fields, and the headers of all parts
_REFUSALS = {
    BodyFault.CUT_OFF: MessageRefusal.CUT_OFF,
    BodyFault.TOO_LARGE: MessageRefusal.FILES_TOO_LARGE,
    BodyFault.TOO_MANY_PARTS: MessageRefusal.TOO_MANY_FILES,
}

Admit = Callable[[Mapping[str, str]], Posting | None]
Commit = Callable[[Posting], str]


@dataclass(slots=True)
class ReceivedForm:
    """Message form that was read, with its entry or its refusal.

    It has neither if the sender had no session: then its files were discarded.
    """

    fields: dict[str, str] = field(default_factory=dict, repr=False)
    had_files: bool = False
    entry_id: str | None = None
    refusal: MessageRefusal | None = None


def receive_form(body: Body, content_type: str, files: int, *, admit: Admit, commit: Commit) -> ReceivedForm:
    """Read a message form to its end. After any failure, no part of the message stays in the store.

    `admit` is called once, when all fields before the first file have arrived. If it returns None, the bytes
    of files are discarded as they arrive. `commit` is called when everything has arrived.
    """
    received = ReceivedForm()
    with _Attempt(received, admit) as attempt:
        for event in read_parts(body, content_type, FormLimits(files + FIELDS, FIELDS_BYTES)):
            attempt.handle(event)
        posting = attempt.posting()
        if posting is not None:
            received.entry_id = commit(posting)
    return received


class _Attempt:
    """Attempt to receive one form. An exception abandons its files and sets the refusal."""

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
            self._received.had_files |= why.reason is BodyFault.TOO_LARGE  # refused before their first byte
            if why.unfinished is not None:
                self._received.fields.setdefault(*why.unfinished)
        self._received.refusal = _refusal_of(why)
        return self._received.refusal is not None

    def handle(self, event: Event) -> None:
        if isinstance(event, Field):
            self._received.fields.setdefault(event.name, event.text)
            return
        posting = self.posting()
        self._received.had_files |= isinstance(event, FileBytes)
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
    """Return the refusal that the form's page shows, or None for an exception that has an error page."""
    if isinstance(why, MessageRefusedError):
        return why.reason
    if isinstance(why, MailboxGoneError):
        return MessageRefusal.GONE
    if isinstance(why, StoreError):
        return MessageRefusal.STORE
    if isinstance(why, BodyError):
        return _REFUSALS.get(why.reason, MessageRefusal.UNREADABLE)
    return None
