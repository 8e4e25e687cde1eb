"""End: what stays of a mailbox proves that its source ended it, or that the desk closed it."""

import pytest

from crypto.errors import MalformedError
from crypto.framing import frame, unframe
from protocol.entry import SignedEntry
from protocol.transcript.check import FaultKind, Transcript, read_transcript
from protocol.transcript.closing import closed_until, last_words
from protocol.transcript.ending import end_of, is_proved, proof_from_bytes, proof_to_bytes
from tests.protocol.mailbox_factories import DUE, LAPTOP, WORKSTATION, Talk, a_mailbox, kinds, the_strands


@pytest.fixture
def talk() -> Talk:
    conversation = Talk()
    conversation.write(conversation.source)
    return conversation


def proof(talk: Talk, raw: bytes) -> Transcript:
    return read_transcript(
        talk.keys.address, talk.keys.verify_key, the_strands(), proof_from_bytes(raw), has_content=False
    )


def test_an_end_counts_whatever_stands_beside_it(talk: Talk) -> None:
    assert end_of(talk.check()) is None
    last = talk.write(WORKSTATION)
    end = talk.end(hidden=[last])
    talk.close(hidden=[end])
    assert end_of(talk.check()) == end


def test_of_two_ends_the_same_is_returned_for_every_order_of_the_rows(talk: Talk) -> None:
    first = talk.end()
    talk.end()
    assert end_of(talk.check(talk.entries[::-1])) == first


def test_the_end_tells_the_desk_which_entries_never_arrived(talk: Talk) -> None:
    lost = talk.write(talk.source)
    talk.end()
    assert kinds(talk.without(lost)) == {FaultKind.MISSING}


def test_the_end_alone_proves_that_the_source_ended_the_mailbox(talk: Talk) -> None:
    end = talk.end()
    raw = proof_to_bytes([end])
    assert proof_from_bytes(raw) == (end,)
    assert is_proved(proof(talk, raw))


def test_the_last_words_prove_that_the_desk_closed_the_mailbox(talk: Talk) -> None:
    first = talk.close()
    second = talk.close(LAPTOP, hidden=[first])
    raw = proof_to_bytes(last_words(talk.check()))
    assert {entry.digest for entry in proof_from_bytes(raw)} == {first.digest, second.digest}
    assert all(entry.payload is None for entry in proof_from_bytes(raw))
    read = proof(talk, raw)
    assert (is_proved(read), closed_until(read)) == (True, DUE)


@pytest.mark.parametrize(
    "forge",
    [
        lambda _talk: [],
        lambda talk: [talk.entries[0]],
        lambda talk: [talk.write(WORKSTATION)],
        lambda talk: [talk.close(), talk.write(WORKSTATION)],
        lambda talk: [talk.close(), talk.entries[0]],
        lambda talk: [talk.read(WORKSTATION)],
        lambda _talk: [Talk(a_mailbox(2)).end()],
        lambda _talk: [Talk(a_mailbox(2)).close()],
        lambda talk: [talk.end(), Talk(a_mailbox(2)).end()],
    ],
    ids=[
        "nothing",
        "a message of the source",
        "a message of the desk",
        "a closing and a later message",
        "a closing and the message before it",
        "a receipt",
        "the end of another mailbox",
        "the closing of another mailbox",
        "an end beside a forged one",
    ],
)
def test_no_other_entries_prove_that_a_mailbox_is_gone(talk: Talk, forge: object) -> None:
    """Attack: the operator deletes a mailbox and shows the workstations other entries as the proof."""
    entries: list[SignedEntry] = forge(talk)  # type: ignore[operator]
    transcript = read_transcript(talk.keys.address, talk.keys.verify_key, the_strands(), entries)
    assert not is_proved(transcript)


@pytest.mark.parametrize(
    "entries",
    [
        lambda talk: [talk.end(), talk.read(talk.source)],
        lambda talk: [talk.end(), *talk.entries[:1]],
        lambda talk: [talk.end(), talk.end()],
        lambda talk: [talk.close(), talk.read(WORKSTATION)],
        lambda talk: [talk.close()] * 65,
    ],
    ids=["an end and a receipt", "an end and words", "two ends", "words and a receipt", "65 words"],
)
def test_a_proof_that_a_source_made_long_is_refused_before_any_signature(talk: Talk, entries: object) -> None:
    """Attack: a source puts thousands of own entries beside their end, and each view of the inbox verifies
    all of them.
    """
    raw = proof_to_bytes(entries(talk))  # type: ignore[operator]
    with pytest.raises(MalformedError):
        proof_from_bytes(raw)


def test_a_proof_may_have_the_last_words_of_64_workstations(talk: Talk) -> None:
    assert len(proof_from_bytes(proof_to_bytes([talk.close()] * 64))) == 64


@pytest.mark.parametrize("change", [lambda raw: raw[:0], lambda raw: raw[:-1], lambda raw: raw + frame(b"x")])
def test_bytes_that_are_not_a_proof_are_malformed(talk: Talk, change: object) -> None:
    raw: bytes = change(proof_to_bytes([talk.end()]))  # type: ignore[operator]
    with pytest.raises(MalformedError):
        proof_from_bytes(raw)


def test_a_proof_is_a_frame_of_envelopes_and_signatures(talk: Talk) -> None:
    end = talk.end()
    assert unframe(proof_to_bytes([end])) == (end.envelope.to_bytes(), end.signature)
