import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from crypto import age
from crypto.errors import MalformedError
from crypto.framing import frame
from crypto.padding import padme
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.pouch.pouch_file import (
    FLOOR_BYTES,
    HEAD_BYTES,
    PARTIALS,
    SERVER,
    PouchHead,
    PouchReader,
    PouchWriter,
    ServerCard,
    ServerKey,
    lowest_serial,
)
from protocol.pouch.pouch_items import (
    CHUNK_BYTES,
    ITEM_BYTES,
    ChunkItem,
    DamagedItem,
    EndedItem,
    EntryItem,
    Item,
    TallyItem,
    item_from_bytes,
)
from protocol.transcript.ending import proof_to_bytes
from tests.crypto.age_sizes import payload_bytes
from tests.protocol.mailbox_factories import LAPTOP, WORKSTATION, Talk

Vector = dict[str, Any]

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "pouch_v1.json").read_text("utf-8"))
ME = age.PQIdentity(bytes.fromhex(VECTORS["identity_seed_hex"]))
SERVER_KEY = ServerKey.from_bytes(bytes.fromhex(VECTORS["server_key_hex"]))
STRAND = b"strand-1"
DAY = date(2026, 11, 25)
LARGEST = 2**63 - 1
ADDRESS = b"address of 20 bytes!"
ATTACHMENT = b"attachment-id-01"


def a_head(**changes: object) -> PouchHead:
    fields: dict[str, object] = {
        "desk": "RWdesk",
        "sender": SERVER,
        "receiver": STRAND,
        "serial": 9,
        "after": 8,
        "taken": 3,
        "day": DAY,
    }
    return PouchHead(**(fields | changes))  # type: ignore[arg-type]


def packed(items: Iterable[Item], head: PouchHead | None = None) -> bytes:
    packer = PouchWriter(head or a_head(), ME.recipient, SERVER_KEY.seed)
    return b"".join([packer.header, *map(packer.add, items), *packer.finish()])


def sealed(plaintext: bytes) -> bytes:
    """Encrypt bytes that our code never writes. Anyone can do so, because the recipient's key is public."""
    made = age.encrypt(plaintext, [ME.recipient])
    return made.header + made.payload


def plaintext_of(raw: bytes) -> bytes:
    return age.decrypt(*age.split_file(raw), [ME])[0]


def end_of(plaintext: bytes) -> int:
    """Return the place where the frame of the signature begins."""
    at = len(b"steunpunt-pouch/1\n")
    while length := int.from_bytes(plaintext[at : at + 4]):
        at += 4 + length
    return at + 4


def in_pieces(raw: bytes, size: int) -> Iterator[bytes]:
    return (raw[at : at + size] for at in range(0, len(raw), size))


def taken_in(raw: bytes, verify_key: bytes = SERVER_KEY.card.verify_key) -> tuple[PouchHead, list[Item]]:
    pouch = PouchReader([raw], [ME])
    return pouch.head, list(pouch.items(verify_key))


def refusal_of(raw: bytes) -> PouchRefusal:
    with pytest.raises(PouchRefusedError) as refused:
        taken_in(raw)
    return refused.value.reason


# ---- vectors


def _named(vectors: list[Vector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


def test_there_are_vectors_of_every_outcome_with_their_own_names() -> None:
    outcomes = {vector["expect"] for vector in VECTORS["pouches"]}
    assert outcomes == {"reads", "unreadable", "newer", "malformed", "forged"}
    for kind in ("pouches", "cards"):
        assert len({vector["name"] for vector in VECTORS[kind]}) == len(VECTORS[kind])


@_named(VECTORS["pouches"])
@pytest.mark.parametrize("size", [100, 1_000_000], ids=["in pieces", "whole"])
def test_a_committed_pouch_reads_as_it_did(vector: Vector, size: int) -> None:
    raw = base64.b64decode(vector["pouch"])
    if vector["expect"] != "reads":
        with pytest.raises(PouchRefusedError) as refused:
            list(PouchReader(in_pieces(raw, size), [ME]).items(SERVER_KEY.card.verify_key))
        assert vector["expect"] == refused.value.reason
        return
    pouch = PouchReader(in_pieces(raw, size), [ME])
    assert PouchHead.from_bytes(vector["head"].encode()) == pouch.head
    items = list(pouch.items(SERVER_KEY.card.verify_key))
    assert [item_from_bytes(bytes.fromhex(item)) for item in vector["items_hex"]] == items


@_named(VECTORS["cards"])
def test_a_committed_card_reads_as_it_did(vector: Vector) -> None:
    if vector["expect"] == "malformed":
        with pytest.raises(MalformedError):
            ServerCard.from_text(vector["card"])
        return
    card = ServerCard.from_text(vector["card"])
    assert SERVER_KEY.card == card
    assert vector["card"].strip() == str(card)


# ---- round trips

_SOME_ITEMS = st.lists(
    st.one_of(
        st.builds(TallyItem, sealed=st.binary(max_size=9000)),
        st.builds(
            ChunkItem,
            address=st.binary(min_size=20, max_size=20),
            attachment_id=st.binary(min_size=16, max_size=16),
            number=st.integers(0, LARGEST),
            is_last=st.booleans(),
            ciphertext=st.binary(),
        ),
    ),
    max_size=5,
)


def _exactly(length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


@st.composite
def _heads(draw: st.DrawFn) -> PouchHead:
    strand = draw(st.binary(min_size=8, max_size=8))
    sender, receiver = draw(st.permutations([SERVER, strand]))
    serial = draw(st.integers(1, LARGEST))
    partial = st.tuples(_exactly(20), _exactly(16), st.integers(0, LARGEST))
    return a_head(
        desk=draw(st.text(st.characters(codec="utf-8"), max_size=100)),
        sender=sender,
        receiver=receiver,
        serial=serial,
        after=draw(st.integers(0, serial - 1)),
        taken=draw(st.integers(0, LARGEST)),
        day=draw(st.dates()),
        more=draw(st.booleans()),
        partials=tuple(draw(st.lists(partial, max_size=3))),
    )


@given(_heads(), _SOME_ITEMS)
def test_a_pouch_comes_back_as_it_was_written(head: PouchHead, items: list[Item]) -> None:
    assert (head, items) == taken_in(packed(items, head))


@given(_heads())
def test_a_head_comes_back_as_it_was(head: PouchHead) -> None:
    assert head == PouchHead.from_bytes(head.to_bytes())


@given(st.binary())
def test_random_bytes_are_neither_a_pouch_nor_its_head(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        PouchHead.from_bytes(raw)
    assert refusal_of(raw) is PouchRefusal.UNREADABLE
    for plaintext in (raw, b"steunpunt-pouch/1\n" + raw, b"steunpunt-pouch/1\n" + frame(raw)):
        assert refusal_of(sealed(plaintext)) is PouchRefusal.MALFORMED


@given(st.binary(max_size=5000))
def test_random_items_and_ends_raise_nothing_but_refusals(raw: bytes) -> None:
    start = b"steunpunt-pouch/1\n" + frame(a_head().to_bytes())
    for plaintext in (start + raw, start + frame(raw), start + frame(b"", raw)):
        assert refusal_of(sealed(plaintext)) in {PouchRefusal.MALFORMED, PouchRefusal.FORGED}


@given(st.text())
def test_random_text_is_not_a_card(text: str) -> None:
    for card in (text, f"steunpunt-card/1 {text}", f"steunpunt-card/1 {text} {ME.recipient}"):
        with pytest.raises(MalformedError):
            ServerCard.from_text(card)


# ---- attacks


def test_every_changed_byte_of_the_plaintext_is_detected() -> None:
    """Attack: someone who can decrypt a pouch changes a byte and encrypts the pouch again."""
    items = [TallyItem(sealed=b"one"), TallyItem(sealed=b"two")]
    plaintext = plaintext_of(packed(items))
    end = end_of(plaintext) + 4 + 64
    assert end < FLOOR_BYTES
    for at in (*range(end), end, len(plaintext) - 1):
        changed = bytearray(plaintext)
        changed[at] ^= 1
        assert refusal_of(sealed(bytes(changed))) in {
            PouchRefusal.MALFORMED,
            PouchRefusal.FORGED,
            PouchRefusal.NEWER,
        }


def test_a_plaintext_cut_off_at_any_place_is_refused() -> None:
    plaintext = plaintext_of(packed([TallyItem(sealed=b"one")]))
    for length in (*range(end_of(plaintext) + 4 + 64), FLOOR_BYTES - 1):
        assert refusal_of(sealed(plaintext[:length])) is PouchRefusal.MALFORMED


def test_a_long_pouch_that_is_cut_off_between_two_chunks_of_age_is_unreadable() -> None:
    raw = packed([TallyItem(sealed=bytes(CHUNK_BYTES))])
    header, payload = age.split_file(raw)
    for chunks in (1, 5):
        assert refusal_of(header + payload[: 16 + chunks * (64 * 1024 + 16)]) is PouchRefusal.UNREADABLE


def test_a_key_of_small_order_verifies_nothing() -> None:
    """Ed25519 has points of small order, for which a careless reader accepts a signature of zeros."""
    neutral = b"\x01" + bytes(31)
    plaintext = plaintext_of(packed([]))
    start = plaintext[: end_of(plaintext)]
    plaintext = (start + frame(neutral + bytes(32))).ljust(FLOOR_BYTES, b"\0")
    with pytest.raises(PouchRefusedError) as refused:
        taken_in(sealed(plaintext), neutral)
    assert refused.value.reason is PouchRefusal.FORGED


@pytest.mark.parametrize(
    "verify_key", [b"", bytes(31), bytes(33), b"\xff" * 32], ids=["none", "31", "33", "no point"]
)
def test_bytes_that_are_not_a_key_verify_nothing(verify_key: bytes) -> None:
    with pytest.raises(PouchRefusedError) as refused:
        taken_in(packed([]), verify_key)
    assert refused.value.reason is PouchRefusal.FORGED


def test_a_captured_pouch_is_not_opened_as_a_file_of_a_source() -> None:
    """A thief could send the pouch as a file to the desk: see journalist_app/files/presealed.py."""
    assert plaintext_of(packed([])).startswith(b"steunpunt-pouch/1\n")


def _endless(start: bytes, counts: list[int]) -> Iterator[bytes]:
    """Yield a pouch that never ends, and count the bytes that were read."""
    writer = age.AgeWriter([ME.recipient])
    yield writer.header
    piece = start
    while True:
        yield writer.update(piece)
        counts.append(len(piece))
        piece = bytes(64 * 1024)


@pytest.mark.parametrize(
    "start",
    [
        b"steunpunt-pouch/1\n" + (HEAD_BYTES + 1).to_bytes(4),
        b"steunpunt-pouch/1\n" + frame(a_head().to_bytes()) + (ITEM_BYTES + 1).to_bytes(4),
        b"steunpunt-pouch/1\n" + frame(a_head().to_bytes()) + b"\xff\xff\xff\xff",
        b"steunpunt-pouch/1\n" + frame(a_head().to_bytes(), b"") + (65).to_bytes(4),
        b"steunpunt-gossip/1",
    ],
    ids=["head", "item", "the longest item", "signature", "another version"],
)
def test_a_field_over_its_limit_is_refused_by_its_length_and_not_read(start: bytes) -> None:
    counts: list[int] = []
    with pytest.raises(PouchRefusedError) as refused:
        list(PouchReader(_endless(start, counts), [ME]).items(SERVER_KEY.card.verify_key))
    assert refused.value.reason is PouchRefusal.MALFORMED
    assert sum(counts) < 4 * 64 * 1024


def test_zeros_without_end_are_refused_where_the_padding_ends() -> None:
    raw = plaintext_of(packed([]))
    counts: list[int] = []
    with pytest.raises(PouchRefusedError):
        list(PouchReader(_endless(raw, counts), [ME]).items(SERVER_KEY.card.verify_key))
    assert sum(counts) < 4 * 64 * 1024


def test_a_file_without_an_end_of_its_header_is_refused() -> None:
    counts: list[int] = []

    def lines() -> Iterator[bytes]:
        while True:
            counts.append(1)
            yield b"-> X25519 " + bytes(1000)

    with pytest.raises(PouchRefusedError) as refused:
        PouchReader(lines(), [ME])
    assert refused.value.reason is PouchRefusal.UNREADABLE
    assert sum(counts) < 100


def test_a_broken_connection_is_not_a_refusal_of_the_pouch() -> None:
    """The pouch itself may be correct, so the receiver asks for it again."""

    def broken() -> Iterator[bytes]:
        yield packed([])[:2000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        PouchReader(broken(), [ME])


# ---- writing


@pytest.mark.parametrize(
    "changes",
    [
        {"receiver": SERVER},
        {"sender": b"strand-2"},
        {"sender": b"", "receiver": b"strand1"},
        {"serial": 0, "after": 0},
        {"serial": LARGEST + 1},
        {"after": 9},
        {"after": -1},
        {"taken": 2**65},
        {"desk": "R" * 101},
        {"desk": "\ud800"},
        {"partials": ((ADDRESS, ATTACHMENT, 1),) * (PARTIALS + 1)},
        {"partials": ((ADDRESS, ATTACHMENT[1:], 1),)},
        {"partials": ((ADDRESS[1:], ATTACHMENT, 1),)},
    ],
    ids=str,
)
def test_a_head_that_a_reader_would_refuse_is_not_written(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        PouchWriter(a_head(**changes), ME.recipient, SERVER_KEY.seed)


def test_the_longest_head_is_read() -> None:
    head = a_head(
        desk="\u0001" * 100,
        serial=LARGEST,
        after=LARGEST - 1,
        taken=LARGEST,
        partials=((b"\xff" * 20, b"\xff" * 16, LARGEST),) * PARTIALS,
    )
    assert len(head.to_bytes()) <= HEAD_BYTES
    assert (head, []) == taken_in(packed([], head))


def test_an_item_that_a_reader_would_refuse_leaves_the_pouch_as_it_was() -> None:
    packer = PouchWriter(a_head(), ME.recipient, SERVER_KEY.seed)
    size = packer.size
    with pytest.raises(MalformedError):
        packer.add(TallyItem(sealed=bytes(CHUNK_BYTES + 1)))
    assert size == packer.size
    raw = b"".join([packer.header, packer.add(TallyItem(sealed=b"x")), *packer.finish()])
    assert [TallyItem(sealed=b"x")] == taken_in(raw)[1]


@pytest.mark.parametrize("length", [0, 3_000, 4_500, 70_000, 1_000_000])
def test_the_size_reveals_no_more_than_padme(length: int) -> None:
    packer = PouchWriter(a_head(), ME.recipient, SERVER_KEY.seed)
    raw = b"".join([packer.header, packer.add(TallyItem(sealed=bytes(length))), *packer.finish()])
    expected = max(FLOOR_BYTES, padme(packer.size))
    assert length < packer.size <= expected
    assert len(raw) == len(packer.header) + payload_bytes(expected)


def test_an_empty_pouch_is_as_long_as_one_that_reports_a_removal_an_end_or_a_closing() -> None:
    talk = Talk()
    message = talk.write(talk.source)
    talk.write(WORKSTATION)
    talk.write(LAPTOP)
    removal = talk.remove(message)
    end = talk.end()
    closing = talk.close()
    entry = EntryItem(
        envelope=removal.envelope.to_bytes(),
        signature=removal.signature,
        epoch=0,
        header=b"",
        payload=b"",
        attachment_ids=(),
    )
    gone = [
        EndedItem(
            address=ADDRESS,
            recipient=bytes(1216),
            verify_key=bytes(32),
            proof=proof_to_bytes([last]),
            day=date(2026, 11, 24),
        )
        for last in (end, closing)
    ]
    assert {len(packed([item])) for item in (entry, *gone)} == {len(packed([]))}


def test_memory_does_not_grow_with_a_pouch() -> None:
    packer = PouchWriter(a_head(), ME.recipient, SERVER_KEY.seed)
    chunk = bytes(CHUNK_BYTES)
    chunks = [
        ChunkItem(
            address=ADDRESS, attachment_id=ATTACHMENT, number=number, is_last=number == 19, ciphertext=chunk
        )
        for number in range(20)
    ]
    pieces = [packer.header, *map(packer.add, chunks), *packer.finish()]
    assert max(map(len, pieces)) < 2 * CHUNK_BYTES
    items = list(PouchReader(iter(pieces), [ME]).items(SERVER_KEY.card.verify_key))
    assert chunks == items


def test_pouches_of_old_epochs_are_read_with_any_identity_of_the_desk() -> None:
    raw = packed([DamagedItem(address=bytes(20), digest=bytes(32))])
    later = age.PQIdentity(b"epoch 2 of a test, 32 bytes long")
    pouch = PouchReader(in_pieces(raw, 7), iter([later, ME]))
    assert 1 == len(list(pouch.items(SERVER_KEY.card.verify_key)))
    with pytest.raises(PouchRefusedError) as refused:
        PouchReader([raw], [later])
    assert refused.value.reason is PouchRefusal.UNREADABLE


def test_the_signature_is_over_all_that_comes_before_it() -> None:
    plaintext = plaintext_of(packed([TallyItem(sealed=b"one")]))
    end = end_of(plaintext)
    signature = plaintext[end + 4 : end + 68]
    message = frame(b"steunpunt/v1/pouch-end", hashlib.sha256(plaintext[:end]).digest())
    assert message == SigningKey(SERVER_KEY.seed).verify_key.verify(message, signature)


# ---- keys


def test_a_card_is_the_public_half_of_a_servers_key() -> None:
    card = SERVER_KEY.card
    assert ServerCard(bytes(SigningKey(SERVER_KEY.seed).verify_key), SERVER_KEY.identity.recipient) == card
    assert card == ServerCard.from_text(f"\n {card}\t")


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_a_servers_key_is_two_seeds(length: int) -> None:
    with pytest.raises(MalformedError):
        ServerKey.from_bytes(bytes(length))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SERVER_KEY,
        lambda: PouchWriter(a_head(), ME.recipient, SERVER_KEY.seed),
        lambda: PouchReader([packed([TallyItem(sealed=b"canary")])], [ME]),
        lambda: next(
            PouchReader([packed([TallyItem(sealed=b"canary")])], [ME]).items(SERVER_KEY.card.verify_key)
        ),
    ],
    ids=["key", "packer", "pouch", "item"],
)
def test_a_pouch_does_not_show_in_a_log(make: Callable[[], object]) -> None:
    shown = repr(make())
    assert len(shown) < 20
    assert "canary" not in shown


def test_a_store_restored_to_an_earlier_day_uses_no_serial_twice() -> None:
    """There are 65,536 serials for each half hour, which is 36 pouches in each second."""
    assert lowest_serial(0) == 0
    assert lowest_serial(990_000) - lowest_serial(989_999) == 65_536
    assert lowest_serial(48 * 366 * 8030) < LARGEST  # to the year 9999
