import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from crypto import age
from crypto.errors import CryptoError, MalformedError, MixedRecipientsError, UnreadableError
from crypto.kdf import hkdf
from tests.crypto.age_sizes import payload_bytes

_DESK = age.PQIdentity(b"d" * 32)
_MAILBOX = age.PQIdentity(b"m" * 32)
_STRANGER = age.PQIdentity(b"x" * 32)
_PLAIN = age.X25519Identity(b"p" * 32)
_EDGES = [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 300_000]
_AROUND_CHUNKS = st.sampled_from(_EDGES) | st.integers(0, 200_000)


def _cut(raw: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[start:end] for start, end in pairwise(borders)]


@given(
    _AROUND_CHUNKS, st.lists(st.integers(0, 2**20), max_size=5), st.lists(st.integers(0, 2**20), max_size=5)
)
def test_a_file_encrypted_in_pieces_decrypts_from_other_pieces(
    size: int, written: list[int], read: list[int]
) -> None:
    plaintext = bytes(range(251)) * (size // 251 + 1)
    plaintext = plaintext[:size]
    writer = age.AgeWriter([_DESK.recipient, _MAILBOX.recipient])
    payload = b"".join([writer.update(piece) for piece in _cut(plaintext, written)]) + writer.finish()
    assert payload_bytes(size) == len(payload)
    reader = age.AgeReader(writer.header, [_MAILBOX], _cut(payload, read))
    pieces = list(reader)
    assert plaintext == b"".join(pieces)
    assert all(0 < len(piece) <= age.CHUNK_BYTES for piece in pieces)
    assert writer.file_key == reader.file_key


@pytest.mark.parametrize("identity", [_DESK, _MAILBOX])
def test_each_recipient_opens_the_file_and_no_one_else_does(identity: age.PQIdentity) -> None:
    sealed = age.encrypt(b"text", [_DESK.recipient, _MAILBOX.recipient])
    assert (b"text", sealed.file_key) == age.decrypt(sealed.header, sealed.payload, [_STRANGER, identity])
    for strangers in ([], [_STRANGER], [_PLAIN]):
        with pytest.raises(UnreadableError):
            age.decrypt(sealed.header, sealed.payload, strangers)


@pytest.mark.parametrize("recipients", [[], [_DESK.recipient, _PLAIN.recipient]])
def test_the_weaker_recipient_never_decides_the_strength_of_a_file(
    recipients: list[age.AgeRecipient],
) -> None:
    with pytest.raises(MixedRecipientsError):
        age.encrypt(b"text", recipients)


@given(st.data())
def test_any_flipped_byte_is_detected(data: st.DataObject) -> None:
    sealed = age.encrypt(b"text" * 20_000, [_DESK.recipient])
    whole = bytearray(sealed.header + sealed.payload)
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CryptoError):
        age.decrypt(*age.split_file(bytes(whole)), [_DESK])


@pytest.mark.parametrize("size", _EDGES)
def test_a_file_that_was_cut_off_never_ends_without_an_error(size: int) -> None:
    sealed = age.encrypt(bytes(size), [_DESK.recipient])
    chunk = age.CHUNK_BYTES + 16
    for length in {0, 15, 16, 31, 16 + chunk, 16 + 2 * chunk, len(sealed.payload) - 1}:
        if length < len(sealed.payload):
            with pytest.raises(UnreadableError):
                age.decrypt(sealed.header, sealed.payload[:length], [_DESK])


def test_chunks_cannot_be_swapped_doubled_or_dropped() -> None:
    sealed = age.encrypt(bytes(4 * age.CHUNK_BYTES), [_DESK.recipient])
    size = age.CHUNK_BYTES + 16
    start, chunks = sealed.payload[:16], [sealed.payload[16 + at * size :][:size] for at in range(4)]
    for order in ([1, 0, 2, 3], [0, 0, 1, 2, 3], [0, 2, 3], [0, 1, 2, 3, 3]):
        with pytest.raises(UnreadableError):
            age.decrypt(sealed.header, start + b"".join(chunks[at] for at in order), [_DESK])


def test_an_empty_last_chunk_is_refused_as_a_second_spelling() -> None:
    sealed = age.encrypt(b"", [_DESK.recipient])
    start = bytes(16)
    aead = ChaCha20Poly1305(hkdf(sealed.file_key, salt=start, info=b"payload"))
    chunks = [
        aead.encrypt(bytes(12), bytes(age.CHUNK_BYTES), None),
        aead.encrypt(bytes(10) + b"\1\1", b"", None),
    ]
    with pytest.raises(UnreadableError):
        age.decrypt(sealed.header, start + b"".join(chunks), [_DESK])


def test_a_payload_does_not_open_under_another_files_header() -> None:
    one, other = age.encrypt(b"one", [_DESK.recipient]), age.encrypt(b"two", [_DESK.recipient])
    with pytest.raises(UnreadableError):
        age.decrypt(one.header, other.payload, [_DESK])


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_unreadable(raw: bytes) -> None:
    header = age.encrypt(b"", [_DESK.recipient]).header
    with pytest.raises(UnreadableError):
        age.unwrap(raw, [_DESK])
    with pytest.raises(UnreadableError):
        age.decrypt(header, raw, [_DESK])


def test_a_file_key_never_shows_in_a_repr() -> None:
    sealed = age.encrypt(b"", [_DESK.recipient])
    writer = age.AgeWriter([_DESK.recipient])
    reader = age.AgeReader(sealed.header, [_DESK], [])
    assert repr(sealed.file_key) not in repr(sealed)
    assert repr(writer) == "AgeWriter()"
    assert repr(reader) == "AgeReader()"


def test_memory_does_not_grow_with_the_file() -> None:
    piece = bytes(1024 * 1024)
    writer = age.AgeWriter([_DESK.recipient])

    def payload() -> Iterator[bytes]:
        for _ in range(32):
            yield writer.update(piece)
        yield writer.finish()

    tracemalloc.start()
    try:
        length = sum(map(len, age.AgeReader(writer.header, [_DESK], payload())))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 32 * len(piece) == length
    assert peak < 6 * len(piece)


@pytest.mark.slow
@pytest.mark.parametrize("size", _EDGES)
def test_debians_age_opens_our_files_and_we_open_its_files(tmp_path: Path, size: int) -> None:
    assert shutil.which("age"), "install Debian's package age"
    (tmp_path / "key").write_text(_PLAIN.to_text() + "\n", "ascii")
    plaintext = bytes(range(256)) * (size // 256) + bytes(size % 256)
    sealed = age.encrypt(plaintext, [_PLAIN.recipient])
    theirs = subprocess.run(
        ["age", "--decrypt", "--identity", tmp_path / "key"],
        input=sealed.header + sealed.payload,
        check=True,
        capture_output=True,
    )
    assert plaintext == theirs.stdout
    ours = subprocess.run(
        ["age", "--recipient", str(_PLAIN.recipient)], input=plaintext, check=True, capture_output=True
    )
    assert plaintext == age.decrypt(*age.split_file(ours.stdout), [_PLAIN])[0]


# ---- header and payload, in pieces


@given(st.integers(0, 3000), st.integers(1, 5000))
def test_a_file_in_pieces_is_cut_where_its_header_ends(size: int, step: int) -> None:
    sealed = age.encrypt(bytes(size), [_DESK.recipient])
    file = sealed.header + sealed.payload

    header, payload = age.split_stream(file[at : at + step] for at in range(0, len(file), step))

    assert (sealed.header, sealed.payload) == (header, b"".join(payload))


@pytest.mark.parametrize("pieces", [[], [b"age-encryption.org/v1\n"], [b"x" * 40_000] * 1000])
def test_a_file_without_a_header_is_refused_before_it_fills_the_memory(pieces: list[bytes]) -> None:
    reading = iter(pieces)

    with pytest.raises(MalformedError):
        age.split_stream(reading)

    assert len(list(reading)) in {0, 998}
