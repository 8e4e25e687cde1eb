"""Drafts: unsent answers of advisers, saved encrypted when the adviser asks for it or the app was locked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from crypto.canonical_json import StrictStruct, encode_json
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import RecordUnsoundError, SendRefusal, SendRefusedError
from journalist_app.services.records import desk_records, reply_templates
from journalist_app.services.records.reply_templates import ReplyTemplate
from protocol.content import TEXT_CHARS
from protocol.identifiers import Address
from protocol.sealed_record import RecordKind
from web.languages import WRITTEN_IN
from web.normal_text import trim


class _Draft(StrictStruct, frozen=True):
    text: str


@dataclass(frozen=True, slots=True)
class WritingHelp:
    """Texts that an adviser can insert into the answer form: the draft and the reply templates."""

    draft: str = field(repr=False)
    is_unsound: bool
    templates: tuple[ReplyTemplate, ...]

    def offered(self, language: str) -> Sequence[tuple[int, ReplyTemplate]]:
        """Return the reply templates with their places: first those in `language`, then those in English."""
        order = (language, WRITTEN_IN) if language else ()
        return sorted(
            enumerate(self.templates),
            key=lambda each: (each[1].language not in order[:1], each[1].language not in order),
        )


def read_draft(desk: OpenDesk, address: Address) -> str:
    """Return the draft of an answer in a mailbox, or an empty text if there is no draft.

    Raises:
        RecordUnsoundError: the stored draft is not the one that this desk wrote last.
    """
    return _read(desk, address)[1]


def keep_draft(desk: OpenDesk, address: Address, text: str) -> None:
    """Save the draft of an answer in a mailbox, replacing an earlier draft.

    An empty text deletes the draft.

    Raises:
        SendRefusedError: the draft is more than twice as long as an answer may be.
        RecordUnsoundError: the earlier draft is not the one that this desk wrote last.
    """
    # A deleted draft stays as a record with an empty text, because a missing record looks like an attack.
    text = text.replace("\r\n", "\n") if trim(text) else ""
    if len(text) > 2 * TEXT_CHARS:
        raise SendRefusedError(SendRefusal.TEXT_TOO_LONG)
    with desk.store.writing() as session:  # no one else changes the draft between reading and writing
        revision, before = _read(desk, address)
        if before == text:
            return
        body = encode_json(_Draft(text=text))
        desk_records.put_record(desk, session, RecordKind.DRAFT, address, revision + 1, body)
    desk.saw_record(RecordKind.DRAFT, address, revision + 1)
    desk.save()


def read_writing_help(desk: OpenDesk, address: Address) -> WritingHelp:
    """Return the draft and reply templates for the answer form. Leave out a draft that is not verified."""
    try:
        draft, is_unsound = read_draft(desk, address), False
    except RecordUnsoundError:
        draft, is_unsound = "", True
    return WritingHelp(draft, is_unsound, reply_templates.read_templates(desk).templates)


def _read(desk: OpenDesk, address: Address) -> tuple[int, str]:
    revision, draft = desk_records.read_json(desk, RecordKind.DRAFT, address, _Draft)
    return revision, draft.text if draft else ""
