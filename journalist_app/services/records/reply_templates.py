"""Reply templates: texts that advisers often send, each in one language."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from crypto.canonical_json import decode_json, encode_json
from crypto.errors import MalformedError, TooLongError
from crypto.passphrase import LANGUAGES
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import RecordUnsoundError, ReplyTemplateError
from journalist_app.services.records import desk_records
from protocol.identifiers import LanguageCode
from protocol.sealed_record import RecordKind
from store.errors import RecordMovedError

NAME_CHARS: Final = 80
TEXT_CHARS: Final = 5_000
TEMPLATES: Final = 40
TEMPLATES_MERGED: Final = 80  # limit after a merge of two workstations' full lists
_NAME: Final = b"replies"
_ORDER: Final[dict[str, int]] = {code: place for place, code in enumerate(LANGUAGES)}


class ReplyTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reply template: a text that advisers often send. Advisers choose it by its name."""

    language: LanguageCode
    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARS)]
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS)]


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    templates: Annotated[tuple[ReplyTemplate, ...], Meta(max_length=TEMPLATES_MERGED)]


@dataclass(frozen=True, slots=True)
class ReplyTemplates:
    """All reply templates of the desk, with the revision of the record that contains them.

    If the desk has written none, these are the templates of the app, and the revision is 0.
    """

    revision: int
    templates: tuple[ReplyTemplate, ...] = field(repr=False)
    is_unsound: bool = False


def read_templates(desk: OpenDesk) -> ReplyTemplates:
    """Return the desk's reply templates, or the app's own ones if the desk has not written any."""
    try:
        kept = desk_records.read_record(desk, RecordKind.TEMPLATES, _NAME)
        if kept is None:
            return ReplyTemplates(0, _shipped())
        return ReplyTemplates(kept.revision, templates_from_bytes(kept.body))
    except (RecordUnsoundError, MalformedError):
        return ReplyTemplates(0, _shipped(), is_unsound=True)


def put_template(desk: OpenDesk, revision: int, place: int | None, template: ReplyTemplate) -> None:
    """Replace the reply template at `place`, counted from 0. If `place` is None, add a template at the end.

    `revision` is the revision of the list that the adviser saw.

    Raises:
        ReplyTemplateError: the template or its place is invalid, or the list is full.
        RecordMovedError: someone changed the templates since the adviser saw them.
        RecordUnsoundError: the stored templates are not the ones that this desk wrote last.
    """
    _change(desk, revision, place, [template])


def drop_template(desk: OpenDesk, revision: int, place: int) -> None:
    """Delete the reply template at this place in the list, counted from 0.

    `revision` is the revision of the list that the adviser saw.

    Raises:
        ReplyTemplateError: no template has this place.
        RecordMovedError: someone changed the templates since the adviser saw them.
        RecordUnsoundError: the stored templates are not the ones that this desk wrote last.
    """
    _change(desk, revision, place, [])


def _change(desk: OpenDesk, revision: int, place: int | None, new: Sequence[ReplyTemplate]) -> None:
    """Replace the template at a place in the list by the templates `new`, and store the changed list.

    If `place` is None, the templates `new` are added at the end. If `new` is empty, the template is deleted.
    """
    collection = read_templates(desk)
    if collection.is_unsound:
        raise RecordUnsoundError
    if collection.revision != revision:
        raise RecordMovedError("another workstation changed the templates")
    templates = list(collection.templates)
    at = len(templates) if place is None else place
    if not 0 <= at < (TEMPLATES if place is None else len(templates)):
        raise ReplyTemplateError
    templates[at : at + 1] = new
    try:
        body = templates_to_bytes(templates)
        desk_records.write_record(desk, RecordKind.TEMPLATES, _NAME, revision + 1, body)
    except (MalformedError, TooLongError) as why:
        raise ReplyTemplateError from why


def templates_to_bytes(templates: Iterable[ReplyTemplate]) -> bytes:
    """Encode the desk's reply templates, sorted by language, in the form in which they are stored.

    Raises:
        MalformedError: a text has half a surrogate pair, or `templates_from_bytes` would refuse the
            templates.
    """
    ordered = sorted(templates, key=lambda each: _ORDER.get(each.language, len(_ORDER)))
    body = encode_json(_Kept(tuple(ordered)))
    templates_from_bytes(body)
    return body


def templates_from_bytes(body: bytes) -> tuple[ReplyTemplate, ...]:
    """Decode the desk's reply templates from the form that `templates_to_bytes` writes.

    Raises:
        MalformedError: `templates_to_bytes` would not write this body.
    """
    return decode_json(body, _Kept).templates


def _shipped() -> tuple[ReplyTemplate, ...]:
    """Return the reply templates that are part of the app, for a desk without templates of its own."""
    text = files("journalist_app").joinpath("reply_templates.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text)["reply"], type=tuple[ReplyTemplate, ...])
