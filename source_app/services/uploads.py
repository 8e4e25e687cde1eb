"""From the wire to a posting: fields first and checked, then each file sealed while it arrives."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from source_app.errors import MailboxGoneError, MessageRefusedError, Refusal
from source_app.services.posting import Posting
from store.errors import StoreError
from web.errors import BodyError, CutOffError, TooLargeError, TooManyPartsError
from web.multipart import Body, Field, FileBegun, FileBytes, FileEnded, FormLimits, read_parts

FIELDS_BYTES = 1024 * 1024  # 100,000 characters of four bytes come back whole, twice over
FIELDS = 8  # parts beside the files
BESIDE_FILES_BYTES = 2 * FIELDS_BYTES  # of a body: the fields, and the headers of all parts
_REFUSALS: Mapping[type[BodyError], Refusal] = {
    CutOffError: Refusal.CUT_OFF,
    TooLargeError: Refusal.FILES_TOO_LARGE,
    TooManyPartsError: Refusal.TOO_MANY_FILES,
}

Admit = Callable[[Mapping[str, str]], Posting | None]
Commit = Callable[[Posting], str]


@dataclass(slots=True)
class Arrived:
    """What came of a form: an entry or a refusal, and neither when the files were thrown away."""

    fields: dict[str, str] = field(default_factory=dict, repr=False)
    had_files: bool = False
    entry_id: str | None = None
    refusal: Refusal | None = None


def receive(body: Body, content_type: str, files: int, *, admit: Admit, commit: Commit) -> Arrived:
    """Read a message form to its end; on any failure nothing of it stays.

    `admit` is called once, when all fields before the first file are there; where it returns None the bytes
    of files are thrown away as they arrive. `commit` is called when everything has arrived.
    """
    arrived = Arrived()
    with _Attempt(arrived, admit) as attempt:
        for event in read_parts(body, content_type, FormLimits(files + FIELDS, FIELDS_BYTES)):
            attempt.take(event)
        posting = attempt.posting()
        if posting is not None:
            arrived.entry_id = commit(posting)
    return arrived


class _Attempt:
    """One form on its way; leaving it by an error gives up its files and notes the refusal."""

    def __init__(self, arrived: Arrived, admit: Admit) -> None:
        self._arrived = arrived
        self._admit = admit
        self._posting: Posting | None = None
        self._is_admitted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, why: BaseException | None, _trace: object) -> bool:
        if why is None:
            return False
        if self._posting is not None:
            with suppress(StoreError):  # the sweeper finds what is left pending
                self._posting.abandon()
        self._arrived.had_files |= isinstance(why, TooLargeError)  # refused before their first byte
        if isinstance(why, BodyError) and why.unfinished is not None:
            self._arrived.fields.setdefault(*why.unfinished)
        self._arrived.refusal = _refusal_of(why)
        return self._arrived.refusal is not None

    def take(self, event: Field | FileBegun | FileBytes | FileEnded) -> None:
        if isinstance(event, Field):
            self._arrived.fields.setdefault(event.name, event.text)
            return
        posting = self.posting()
        self._arrived.had_files |= isinstance(event, FileBytes)
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
            self._posting = self._admit(self._arrived.fields)
            self._is_admitted = True
        return self._posting


def _refusal_of(why: BaseException) -> Refusal | None:
    """Return how the form's page words this; None for what belongs on a page of its own."""
    if isinstance(why, MessageRefusedError):
        return why.refusal
    if isinstance(why, MailboxGoneError):
        return Refusal.GONE
    if isinstance(why, StoreError):
        return Refusal.STORE
    if isinstance(why, BodyError):
        return _REFUSALS.get(type(why), Refusal.UNREADABLE)
    return None
