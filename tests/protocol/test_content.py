import json
from dataclasses import dataclass
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedError, TooLongError, UnreadableError
from protocol import content as content_format
from protocol.content import (
    ATTACHMENTS,
    NAME_BYTES,
    RECIPIENT_CHARS,
    REMARK_CHARS,
    TEXT_CHARS,
    AnswerNote,
    AttachmentNote,
    ClosingNote,
    Content,
    Kind,
    PassOnRecipient,
    ProposalNote,
    ProposedFile,
    StepName,
    StepNote,
    Verdict,
    proposal_digest,
)
from protocol.errors import NewerVersionError
from protocol.identifiers import Address, AttachmentId, Digest, EntryId
from tests.planted import finds_the_fault

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
NAMED = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)
A_DIGEST = Digest(b"p" * 32)
PLACE = {"address": Address(b"a" * 20), "entry_id": EntryId(b"e" * 16)}


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


def a_step(text: str = "Here we are.", **changes: object) -> Content:
    return Content(kind=Kind.STEP, text=text, step=StepNote(**({"step": StepName.BEING_READ} | changes)))


def a_passing(text: str = "", **changes: object) -> Content:
    return a_step(text, **({"step": StepName.PASSED_ON, "to": "SG", "proposal": A_DIGEST} | changes))


def a_proposed_file(**changes: object) -> ProposedFile:
    fields: dict[str, object] = {
        "attachment_id": AttachmentId(b"i" * 16),
        "sha256": A_DIGEST,
        "is_cleaned": True,
        "about": "A camera's number was taken out.",
    }
    return ProposedFile(**(fields | changes))


def a_proposal(
    *,
    text: str = "This is what would go.",
    attachments: tuple[AttachmentNote, ...] | None = None,
    **changes: object,
) -> Content:
    note: dict[str, object] = {
        "recipient": PassOnRecipient.SG,
        "name": "The Secretary-General",
        "fingerprint": "0123456789ABCDEF" * 2 + "01234567",
        "files": (a_proposed_file(),),
    }
    return Content(
        kind=Kind.PROPOSAL,
        text=text,
        attachments=(a_note(),) if attachments is None else attachments,
        proposal=ProposalNote(**(note | changes)),
    )


def an_answer(text: str = "", **changes: object) -> Content:
    fields: dict[str, object] = {"verdict": Verdict.AGREED, "proposal": A_DIGEST}
    return Content(kind=Kind.ANSWER, text=text, answer=AnswerNote(**(fields | changes)))


def a_closing(text: str = "Thank you.") -> Content:
    return Content(kind=Kind.CLOSING, text=text, closing=ClosingNote())


ONE_OF_EACH = (
    a_message(),
    a_step(),
    a_passing(),
    a_proposal(),
    an_answer(),
    a_closing(),
    Content(kind=Kind.CLOSING, text="", closing=ClosingNote(automatic=True)),
    a_message(language="nl"),
)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    kind = draw(st.sampled_from(Kind))
    text = draw(UNICODE)
    names = draw(st.dictionaries(st.binary(min_size=16, max_size=16), UNICODE, max_size=3))
    notes = tuple(a_note(id=AttachmentId(which), name=name) for which, name in names.items())
    language = draw(st.sampled_from(["", "nl", "en"]))
    content = Content(kind=kind, text=text, language=language, attachments=notes)
    if kind is Kind.STEP:
        name = draw(st.sampled_from([name for name in StepName if name is not StepName.CLOSED]))
        step = StepNote(step=name, next=draw(UNICODE), by=draw(st.none() | st.dates()))
        if name in {StepName.PASSING_ON, StepName.PASSED_ON}:
            step = msgspec.structs.replace(step, to=draw(NAMED), proposal=draw(DIGESTS))
        return msgspec.structs.replace(content, step=step)
    if kind is Kind.PROPOSAL:
        files = tuple(
            ProposedFile(
                attachment_id=note.id,
                sha256=draw(DIGESTS),
                is_cleaned=draw(st.booleans()),
                about=draw(UNICODE),
            )
            for note in notes
        )
        proposal = ProposalNote(
            recipient=draw(st.sampled_from(PassOnRecipient)),
            name=draw(NAMED),
            fingerprint=draw(st.text("0123456789ABCDEF", min_size=40, max_size=40)),
            files=files,
        )
        return msgspec.structs.replace(content, proposal=proposal)
    if kind is Kind.ANSWER:
        answer = AnswerNote(verdict=draw(st.sampled_from(Verdict)), proposal=draw(DIGESTS))
        return msgspec.structs.replace(content, answer=answer)
    if kind is Kind.CLOSING:
        return msgspec.structs.replace(content, closing=ClosingNote(automatic=draw(st.booleans())))
    return content


@given(contents())
def test_content_comes_back_as_it_was(content: Content) -> None:
    assert Content.from_bytes(content.to_bytes()) == content


@given(st.binary())
def test_random_bytes_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Content.from_bytes(raw)


def test_a_stock_json_tool_reads_content() -> None:
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
def test_content_over_a_limit_is_neither_encrypted_nor_read(attachments: tuple[AttachmentNote, ...]) -> None:
    with pytest.raises(TooLongError):
        a_message(attachments=attachments).to_bytes()
    notes = [
        json.loads(Content(kind=Kind.MESSAGE, text="", attachments=(a_note(),)).to_bytes())["attachments"][0]
    ]
    written = {
        "kind": "message",
        "text": "",
        "attachments": [notes[0] | {"name": note.name} for note in attachments],
    }
    with pytest.raises(MalformedError):
        Content.from_bytes(json.dumps(written).encode())


def test_a_text_over_its_limit_is_not_read() -> None:
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
def test_content_that_a_reader_would_refuse_is_not_encrypted(content: Content) -> None:
    with pytest.raises(MalformedError):
        content.to_bytes()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"kind":"message","text":"hello","ask_me_first":true}',
        b'{"kind":"gossip","text":"hello"}',
        b'{"kind":"message"}',
        b'{"kind":"message","text":"hello","language":"French"}',
        b'{"kind":"message","text":"hello","minor":-1}',
        b'{"kind":"message","text":"hello","minor":"1"}',
        b"[]",
        b'{"kind":"message","text":"hello"}{}',
        b'{"kind":"message","text":"\xff"}',
    ],
    ids=[
        "unknown field",
        "unknown kind",
        "no text",
        "a language that is not a code",
        "a version below 0",
        "a version in words",
        "a list",
        "something after it",
        "no UTF-8",
    ],
)
def test_bytes_that_we_never_write_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Content.from_bytes(raw)


@pytest.mark.parametrize(
    "content", ONE_OF_EACH, ids=[f"{at} {each.kind}" for at, each in enumerate(ONE_OF_EACH)]
)
def test_every_kind_has_its_own_note_and_no_other(content: Content) -> None:
    assert Content.from_bytes(content.to_bytes()) == content
    notes = {"step": a_step(), "proposal": a_proposal(), "answer": an_answer(), "closing": a_closing()}
    for name, other in notes.items():
        change = msgspec.UNSET if content.kind == name else getattr(other, name)
        with pytest.raises(MalformedError):
            msgspec.structs.replace(content, **{name: change}).to_bytes()


def test_a_message_is_written_in_this_order() -> None:
    written = a_message(language="nl").to_bytes().rstrip(b" ")
    assert written == b'{"kind":"message","text":"hello","language":"nl","minor":0,"attachments":[]}'


@pytest.mark.parametrize(
    "raw",
    [
        b'{"minor":1}',
        b'{"kind":"poll","minor":1,"options":["yes","no"]}',
        b'{"kind":"message","text":"hello","minor":7,"ask_me_first":true}',
        b'{"kind":"message","text":"hello","minor":1}',
    ],
    ids=["nothing else", "an unknown kind", "an unknown field", "nothing unknown"],
)
def test_content_of_a_later_minor_version_is_never_half_read(raw: bytes) -> None:
    with pytest.raises(NewerVersionError):
        Content.from_bytes(raw)


def test_a_planted_fault_is_found_newer_content_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_format, "MINOR", 1)
    with finds_the_fault():
        test_content_of_a_later_minor_version_is_never_half_read(
            b'{"kind":"message","text":"hello","minor":1}'
        )


def test_a_caller_that_shows_unreadable_content_as_such_does_so_with_newer_content() -> None:
    assert issubclass(NewerVersionError, UnreadableError)
    assert not issubclass(NewerVersionError, MalformedError)
    assert "update" in str(NewerVersionError())


@pytest.mark.parametrize(
    "content",
    [
        a_step(step=StepName.CLOSED),
        a_step(to="SG"),
        a_step("The law asks it.", without_consent=True),
        a_step(delivered=date(2026, 3, 2)),
        a_passing(to=""),
        a_passing(proposal=None),
        a_passing(" ", without_consent=True),
        a_passing("The law asks it.", without_consent=True, to=""),
        a_passing(step=StepName.PASSING_ON, delivered=date(2026, 3, 2)),
        a_passing(proposal=Digest(b"short")),
        a_proposal(name=""),
        a_proposal(fingerprint="0123"),
        a_proposal(fingerprint="0123456789abcdef" * 2 + "01234567"),
        a_proposal(files=()),
        a_proposal(attachments=()),
        a_proposal(files=(a_proposed_file(attachment_id=AttachmentId(b"j" * 16)),)),
        a_proposal(files=(a_proposed_file(sha256=Digest(b"s" * 31)),)),
        a_proposal(text="\ud800"),
        an_answer(proposal=Digest(b"p" * 33)),
    ],
    ids=[
        "a closing without a day in the envelope",
        "a recipient before anything is passed on",
        "no consent needed and nothing passed on",
        "delivered and not passed on",
        "passed on to no one",
        "passed on with consent to nothing",
        "without consent and without a reason",
        "without consent to no one",
        "delivered before it was made",
        "a digest too short",
        "a proposal to no one",
        "a fingerprint too short",
        "a fingerprint in small letters",
        "a file that is not spoken of",
        "a file that is not there",
        "a file that is another",
        "a file's digest too short",
        "half a pair",
        "a digest too long",
    ],
)
def test_content_that_contradicts_itself_is_neither_encrypted_nor_read(content: Content) -> None:
    with pytest.raises(MalformedError):
        content.to_bytes()
    with pytest.raises(MalformedError):
        Content.from_bytes(json.dumps(msgspec.to_builtins(content)).encode())


def test_passing_on_without_consent_has_a_reason() -> None:
    content = a_passing("The law asks it of us.", without_consent=True, proposal=None)
    assert Content.from_bytes(content.to_bytes()) == content


def test_a_file_that_was_made_differs_from_a_file_that_was_delivered() -> None:
    delivered = a_passing(delivered=date(2026, 3, 2))
    assert Content.from_bytes(delivered.to_bytes()) == delivered
    assert delivered != a_passing()


@pytest.mark.parametrize(
    "content",
    [
        a_step(next="x" * (REMARK_CHARS + 1)),
        a_passing(to="x" * (RECIPIENT_CHARS + 1)),
        a_proposal(name="x" * (RECIPIENT_CHARS + 1)),
        a_proposal(files=(a_proposed_file(about="x" * (REMARK_CHARS + 1)),)),
    ],
    ids=["what is next", "a recipient", "a recipient of a proposal", "what was found in a file"],
)
def test_a_note_over_a_limit_is_neither_encrypted_nor_read(content: Content) -> None:
    with pytest.raises(TooLongError):
        content.to_bytes()
    with pytest.raises(MalformedError):
        Content.from_bytes(msgspec.json.encode(content))


@dataclass
class Changed:
    why: str
    content: Content
    place: dict[str, bytes]


_DIFFERING = [
    Changed("another text", a_proposal(text="This is what would go!"), PLACE),
    Changed("another recipient", a_proposal(recipient=PassOnRecipient.OTHER), PLACE),
    Changed("another name", a_proposal(name="Someone else"), PLACE),
    Changed("another key", a_proposal(fingerprint="F" * 40), PLACE),
    Changed("another file", a_proposal(files=(a_proposed_file(sha256=Digest(b"q" * 32)),)), PLACE),
    Changed("another name of a file", a_proposal(attachments=(a_note(name="other.pdf"),)), PLACE),
    Changed("another size of a file", a_proposal(attachments=(a_note(size=13),)), PLACE),
    Changed("no file", a_proposal(attachments=(), files=()), PLACE),
    Changed("another entry", a_proposal(), PLACE | {"entry_id": b"f" * 16}),
    Changed("another mailbox", a_proposal(), PLACE | {"address": b"b" * 20}),
]


@pytest.mark.parametrize("changed", _DIFFERING, ids=[each.why for each in _DIFFERING])
def test_consent_to_one_proposal_fits_no_other(changed: Changed) -> None:
    assert proposal_digest(a_proposal(), **PLACE) != proposal_digest(changed.content, **changed.place)


def test_a_proposal_has_one_digest_however_its_json_was_spelt() -> None:
    spelt = json.dumps(json.loads(a_proposal().to_bytes()), indent=2, sort_keys=True).encode()
    assert proposal_digest(a_proposal(), **PLACE) == proposal_digest(Content.from_bytes(spelt), **PLACE)


@pytest.mark.parametrize("content", [a_message(), a_proposal(name="")], ids=["no proposal", "not sound"])
def test_content_that_is_not_a_proposal_has_no_digest(content: Content) -> None:
    with pytest.raises(MalformedError):
        proposal_digest(content, **PLACE)


def test_neither_text_nor_file_names_show_in_a_log() -> None:
    for said in (
        a_step("canary", next="canary"),
        a_passing("canary", to="canary"),
        a_proposal(name="canary", text="canary", files=(a_proposed_file(about="canary"),)),
        an_answer("canary"),
        a_closing("canary"),
    ):
        assert "canary" not in repr(said) + repr(said.step) + repr(said.proposal) + repr(said.answer)
    assert "canary" not in repr(a_proposed_file(about="canary"))
    assert "canary" not in repr(a_message(text="canary", attachments=(a_note(name="canary"),)))
    assert "canary" not in repr(a_note(name="canary"))
