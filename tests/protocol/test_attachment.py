import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import age
from crypto.errors import CryptoError, ForgedError, TooLongError, UnreadableError
from protocol.attachment import FLOOR_BYTES, SIZE_MAX, AttachmentOpener, AttachmentSealer, padded_bytes
from protocol.content import AttachmentNote
from protocol.identifiers import Address, AttachmentId, EntryId
from tests.crypto.age_sizes import payload_bytes

_VECTORS = json.loads((Path(__file__).parents[1] / "vectors/attachment_v1.json").read_text("utf-8"))
_DESK = age.PQIdentity(b"d" * 32)
_MAILBOX = age.PQIdentity(b"m" * 32)
_ADDRESS = Address(b"a" * 20)
_ENTRY_ID = EntryId(b"e" * 16)
_ID = AttachmentId(b"f" * 16)


@dataclass(frozen=True)
class Stored:
    header: bytes
    payload: bytes
    note: AttachmentNote

    def open(  # each may belong to another file
        self,
        *,
        header: bytes | None = None,
        payload: Iterable[bytes] | None = None,
        note: AttachmentNote | None = None,
        identity: age.AgeIdentity = _DESK,
        address: Address = _ADDRESS,
        entry_id: EntryId = _ENTRY_ID,
    ) -> list[bytes]:
        chunks = [self.payload] if payload is None else payload
        return list(
            AttachmentOpener(header or self.header, chunks, note or self.note, [identity], address, entry_id)
        )


def _seal(pieces: Iterable[bytes], *, pad_first: bool = True) -> Stored:
    sealer = AttachmentSealer([_DESK.recipient, _MAILBOX.recipient], _ADDRESS, _ENTRY_ID, _ID)
    payload = [sealer.update(piece) for piece in pieces]
    if pad_first:
        payload += sealer.pad()
    last, note = sealer.finish("report.pdf", "application/pdf")
    return Stored(sealer.header, b"".join([*payload, last]), note)


@given(
    st.lists(st.binary(max_size=100) | st.integers(0, 150_000).map(bytes), max_size=4),
    st.sampled_from(["pad first", "finish at once"]),
    st.integers(5_000, 200_000),
)
def test_an_attachment_opens_for_desk_and_mailbox(pieces: list[bytes], how: str, size: int) -> None:
    stored = _seal(pieces, pad_first=how == "pad first")
    whole = b"".join(pieces)
    chunks = [stored.payload[at : at + size] for at in range(0, len(stored.payload), size)]
    assert whole == b"".join(stored.open(payload=chunks))
    assert whole == b"".join(stored.open(payload=chunks, identity=_MAILBOX))
    assert ("report.pdf", "application/pdf", len(whole)) == (
        stored.note.name,
        stored.note.media_type,
        stored.note.size,
    )
    assert len(stored.payload) == payload_bytes(padded_bytes(len(whole)))


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536])
def test_all_small_files_look_alike(size: int) -> None:
    assert len(_seal([b""]).payload) == len(_seal([bytes(size)]).payload)


def test_padding_never_costs_more_than_an_eighth_past_the_floor() -> None:
    for size in (FLOOR_BYTES, FLOOR_BYTES + 1, 10**6, 10**8, 2 * 10**9 + 1):
        assert size <= padded_bytes(size) <= size * 9 // 8


def test_padding_of_a_large_file_comes_in_small_pieces() -> None:
    sealer = AttachmentSealer([_DESK.recipient], _ADDRESS, _ENTRY_ID, _ID)
    large = 80 * 1024 * 1024 + 1
    for _ in range(large // 2**20):
        sealer.update(bytes(2**20))
    sealer.update(b"1")
    pieces = list(sealer.pad())
    last, _ = sealer.finish("video", "video/mp4")
    assert padded_bytes(large) - large > 2**20
    assert all(len(piece) <= 2**20 + 65_536 for piece in [*pieces, last])


def test_a_file_moved_to_another_place_is_refused_before_its_first_byte() -> None:
    stored = _seal([b"text"])
    for elsewhere in (
        {"address": Address(b"b" * 20)},
        {"entry_id": EntryId(b"b" * 16)},
        {"note": msgspec.structs.replace(stored.note, id=AttachmentId(b"b" * 16))},
        {"note": _seal([b"text"]).note},
    ):
        with pytest.raises(ForgedError):
            AttachmentOpener(
                stored.header,
                [stored.payload],
                elsewhere.get("note", stored.note),  # type: ignore[arg-type]  # a table of changes
                [_DESK],
                elsewhere.get("address", _ADDRESS),  # type: ignore[arg-type]
                elsewhere.get("entry_id", _ENTRY_ID),  # type: ignore[arg-type]
            )


@pytest.mark.parametrize(
    "changes", [{"payload_sha256": bytes(32)}, {"size": 65_537}, {"size": 200_000}, {"size": 2**62}]
)
def test_a_note_that_does_not_fit_ends_in_an_error(changes: dict[str, object]) -> None:
    stored = _seal([b"text" * 100])
    with pytest.raises(ForgedError):
        stored.open(note=msgspec.structs.replace(stored.note, **changes))


def test_the_last_piece_is_held_back_until_everything_fits() -> None:
    stored = _seal([bytes(300_000)])
    wrong = msgspec.structs.replace(stored.note, payload_sha256=bytes(32))
    given_out = 0
    with pytest.raises(ForgedError):  # noqa: PT012  # the sum must survive the error
        for piece in AttachmentOpener(stored.header, [stored.payload], wrong, [_DESK], _ADDRESS, _ENTRY_ID):
            given_out += len(piece)
    assert given_out < 300_000


@given(st.data())
def test_any_flipped_byte_is_detected(data: st.DataObject) -> None:
    stored = _seal([b"text" * 30_000])
    whole = bytearray(stored.header + stored.payload)
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    header, payload = bytes(whole[: len(stored.header)]), bytes(whole[len(stored.header) :])
    with pytest.raises((UnreadableError, ForgedError)):
        stored.open(header=header, payload=[payload])


def test_a_stranger_opens_nothing() -> None:
    with pytest.raises(UnreadableError):
        _seal([b"text"]).open(identity=age.PQIdentity(b"x" * 32))


def test_a_size_that_would_make_us_pad_for_hours_is_refused() -> None:
    sealer = AttachmentSealer([_DESK.recipient], _ADDRESS, _ENTRY_ID, _ID)
    sealer.size = SIZE_MAX
    with pytest.raises(TooLongError):
        sealer.update(b"1")


def test_a_file_does_not_show_in_a_repr() -> None:
    stored = _seal([b"text"])
    opener = AttachmentOpener(stored.header, [], stored.note, [_DESK], _ADDRESS, _ENTRY_ID)
    sealer = AttachmentSealer([_DESK.recipient], _ADDRESS, _ENTRY_ID, _ID)
    assert [f"AttachmentOpener({_ID.hex()})", f"AttachmentSealer({_ID.hex()})"] == [
        repr(opener),
        repr(sealer),
    ]


@pytest.mark.parametrize("vector", _VECTORS["attachments"], ids=lambda vector: vector["name"])
def test_each_committed_attachment_ends_as_it_should(vector: dict[str, Any]) -> None:
    note = msgspec.json.decode(vector["note"], type=AttachmentNote)
    address, entry_id = Address(bytes.fromhex(vector["address"])), EntryId(bytes.fromhex(vector["entry_id"]))
    header = base64.b64decode(_VECTORS["files"][vector["header_of"]]["header"])
    payload = base64.b64decode(_VECTORS["files"][vector["payload_of"]]["payload"])
    if "flip_bit_of_byte" in vector:
        at = vector["flip_bit_of_byte"]
        payload = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]
    payload = payload[: vector.get("cut_at")] + bytes.fromhex(vector.get("append", ""))
    identity = age.PQIdentity.from_text(_VECTORS["identities"][vector["opened_by"]])
    try:
        ended = b"".join(AttachmentOpener(header, [payload], note, [identity], address, entry_id)).decode(
            "utf-8"
        )
    except CryptoError as refusal:
        ended = type(refusal).__name__
    assert vector["expect"] == ended


def test_there_are_vectors() -> None:
    assert len(_VECTORS["attachments"]) > 8
