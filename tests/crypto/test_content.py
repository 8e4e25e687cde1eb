import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.content import ATTACHMENTS, NAME_BYTES, TEXT_CHARS, AttachmentNote, Content, Kind
from crypto.errors import MalformedError, TooLongError
from crypto.names import AttachmentId, Digest

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def a_note(**changes: object) -> AttachmentNote:
    fields: dict[str, object] = {
        "id": AttachmentId(b"i" * 16),
        "name": "letter.pdf",
        "media_type": "application/pdf",
        "size": 12,
        "payload_sha256": Digest(b"s" * 32),
        "commit": b"c" * 32,
    }
    return AttachmentNote(**(fields | changes))


def a_message(**changes: object) -> Content:
    return Content(**({"kind": Kind.MESSAGE, "text": "hello"} | changes))


@given(st.sampled_from(Kind), UNICODE, st.lists(UNICODE, max_size=3))
def test_content_comes_back_as_it_was(kind: Kind, text: str, names: list[str]) -> None:
    content = Content(kind=kind, text=text, attachments=tuple(a_note(name=name) for name in names))
    assert Content.from_bytes(content.to_bytes()) == content


@given(st.binary())
def test_random_bytes_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Content.from_bytes(raw)


def test_a_stock_json_tool_reads_it() -> None:
    read = json.loads(a_message(attachments=(a_note(),)).to_bytes())
    assert (read["kind"], read["text"], read["attachments"][0]["size"]) == ("message", "hello", 12)


def test_the_longest_message_fits_and_one_character_more_does_not() -> None:
    longest = a_message(text="\N{GRINNING FACE}" * TEXT_CHARS)
    assert Content.from_bytes(longest.to_bytes()) == longest
    with pytest.raises(TooLongError):
        a_message(text="x" * (TEXT_CHARS + 1)).to_bytes()


@pytest.mark.parametrize(
    "attachments",
    [
        tuple(a_note() for _ in range(ATTACHMENTS + 1)),
        (a_note(name="\N{LATIN SMALL LETTER E WITH ACUTE}" * NAME_BYTES),),
    ],
    ids=["too many attachments", "too long a name"],
)
def test_what_is_too_long_is_neither_sealed_nor_read(attachments: tuple[AttachmentNote, ...]) -> None:
    with pytest.raises(TooLongError):
        a_message(attachments=attachments).to_bytes()
    notes = [
        json.loads(Content(kind=Kind.STEP, text="", attachments=(a_note(),)).to_bytes())["attachments"][0]
    ]
    written = {
        "kind": "step",
        "text": "",
        "attachments": [notes[0] | {"name": note.name} for note in attachments],
    }
    with pytest.raises(MalformedError):
        Content.from_bytes(json.dumps(written).encode())


def test_too_long_a_text_is_not_read() -> None:
    with pytest.raises(MalformedError):
        Content.from_bytes(b'{"kind":"message","text":"%s"}' % (b"x" * (TEXT_CHARS + 1)))


@pytest.mark.parametrize(
    "content",
    [
        a_message(text="\ud800"),
        a_message(attachments=(a_note(name="\ud800"),)),
        a_message(attachments=(a_note(id=b"short"),)),
        a_message(attachments=(a_note(size=-1),)),
        a_message(attachments=(a_note(commit=b"c" * 31),)),
    ],
    ids=["half a pair", "half a pair in a name", "short id", "negative size", "short commitment"],
)
def test_what_a_reader_would_refuse_is_not_sealed(content: Content) -> None:
    with pytest.raises(MalformedError):
        content.to_bytes()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"kind":"message","text":"hello","ask_me_first":true}',
        b'{"kind":"gossip","text":"hello"}',
        b'{"kind":"message"}',
        b'{"kind":"message","text":"hello"}{}',
        b'{"kind":"message","text":"\xff"}',
    ],
    ids=["unknown field", "unknown kind", "no text", "something after it", "no UTF-8"],
)
def test_what_no_writer_of_ours_makes_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Content.from_bytes(raw)


def test_neither_text_nor_file_names_show_in_a_log() -> None:
    assert "canary" not in repr(a_message(text="canary", attachments=(a_note(name="canary"),)))
    assert "canary" not in repr(a_note(name="canary"))
