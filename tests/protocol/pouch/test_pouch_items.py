import json
import tracemalloc
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.age.header import HEADER_BYTES_MAX
from crypto.age.recipients import PQ_RECIPIENT_BYTES
from crypto.errors import MalformedError
from protocol import content, ledger, sealed_record
from protocol.pouch.pouch_items import (
    _NAME_BYTES,
    CHUNK_BYTES,
    ITEM_BYTES,
    TALLIES,
    ChunkItem,
    DamagedItem,
    EndedItem,
    EntryItem,
    FileItem,
    Item,
    LetterheadItem,
    MailboxItem,
    PublicFileItem,
    RecordItem,
    RecordsItem,
    TalliesItem,
    TallyItem,
    item_from_bytes,
    item_to_bytes,
)

Vector = dict[str, Any]

VECTORS: list[Vector] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "pouch_v1.json").read_text("utf-8")
)["items"]


def _exactly(length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


_NUMBERS = st.integers(0, 2**63 - 1)
_ADDRESSES = _exactly(20)
_IDS = _exactly(16)
_KEYS = _exactly(32)
_RECIPIENTS = st.integers(0, 255).map(lambda byte: bytes([byte]) * PQ_RECIPIENT_BYTES)
_TALLY_LISTS = st.lists(st.binary(), max_size=TALLIES).map(tuple)
_TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
_WORDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)
_KINDS = _WORDS.map(lambda word: word.replace(":", "-"))

_ITEMS: st.SearchStrategy[Item] = st.one_of(
    st.builds(LetterheadItem, base=_NUMBERS, serial=_NUMBERS, body=st.binary(), signature=st.binary()),
    st.builds(
        MailboxItem, address=_ADDRESSES, recipient=_RECIPIENTS, verify_key=_KEYS, opened_day=st.dates()
    ),
    st.builds(FileItem, address=_ADDRESSES, entry_id=_IDS, attachment_id=_IDS, header=st.binary()),
    st.builds(
        ChunkItem,
        address=_ADDRESSES,
        attachment_id=_IDS,
        number=_NUMBERS,
        is_last=st.booleans(),
        ciphertext=st.binary(),
    ),
    st.builds(
        EntryItem,
        envelope=st.binary(),
        signature=_exactly(64),
        epoch=st.integers(0, 2**31 - 1),
        header=st.binary(),
        payload=st.binary(),
        attachment_ids=st.lists(_IDS, max_size=content.ATTACHMENTS).map(tuple),
    ),
    st.builds(
        EndedItem,
        address=_ADDRESSES,
        recipient=_RECIPIENTS,
        verify_key=_KEYS,
        proof=st.binary(),
        day=st.dates(),
    ),
    st.builds(TalliesItem, address=_ADDRESSES, tallies=_TALLY_LISTS),
    st.builds(
        RecordItem,
        kind=_KINDS,
        name=st.binary(max_size=64),
        revision=st.integers(1, 2**63 - 1),
        past=st.lists(st.binary(min_size=32, max_size=32), max_size=33).map(tuple),
        is_dropped=st.booleans(),
        sealed=st.binary(),
    ),
    st.builds(TallyItem, sealed=st.binary()),
    st.builds(PublicFileItem, name=_WORDS, body=st.binary()),
    st.builds(DamagedItem, address=_ADDRESSES, digest=st.binary(max_size=32)),
    st.builds(RecordsItem, st.lists(st.tuples(st.binary(), _NUMBERS)).map(tuple)),
)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_a_committed_item_reads_as_it_did(vector: Vector) -> None:
    raw = bytes.fromhex(vector["item_hex"])
    if vector["expect"] == "malformed":
        with pytest.raises(MalformedError):
            item_from_bytes(raw)
        return
    item = item_from_bytes(raw)
    assert vector["json"] == json.loads(msgspec.json.encode(item))
    assert raw == item_to_bytes(item)


def test_there_is_a_vector_of_every_kind_with_its_own_name() -> None:
    kinds = {vector["json"][0] for vector in VECTORS if vector["expect"] == "reads"}
    assert {kind.__struct_config__.tag for kind in get_args(Item)} == kinds
    assert "malformed" in {vector["expect"] for vector in VECTORS}
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS)


@given(_ITEMS)
def test_an_item_comes_back_as_it_was(item: Item) -> None:
    assert item == item_from_bytes(item_to_bytes(item))


@given(_ITEMS, st.data())
def test_an_item_has_one_spelling_and_a_changed_item_is_refused(item: Item, data: st.DataObject) -> None:
    raw = item_to_bytes(item)
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:at] + data.draw(st.binary(max_size=3)) + raw[at + 1 :]
    try:
        read = item_from_bytes(changed)
    except MalformedError:
        return
    assert changed == item_to_bytes(read)


@given(st.binary())
def test_random_bytes_are_not_an_item(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        item_from_bytes(raw)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary() | _TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("x"), inner),
        max_leaves=4,
    ),
    st.sampled_from(get_args(Item)),
)
def test_messagepack_that_is_not_an_item_is_malformed(value: object, kind: type[msgspec.Struct]) -> None:
    for other in (value, [kind.__struct_config__.tag, value]):
        raw = msgspec.msgpack.encode(other)
        if other == ["tally", value] and isinstance(value, bytes):
            assert raw == item_to_bytes(item_from_bytes(raw))
            continue
        if other == ["records", []]:
            assert item_from_bytes(raw) == RecordsItem(())
            continue
        with pytest.raises(MalformedError):
            item_from_bytes(raw)


@pytest.mark.parametrize(
    "item",
    [
        TallyItem(sealed=bytes(CHUNK_BYTES + 1)),
        PublicFileItem(name="x", body=bytes(ITEM_BYTES)),
        PublicFileItem(name="x" * 201, body=b""),
        PublicFileItem(name="\ud800", body=b""),
        PublicFileItem(name="a\0", body=b""),
        RecordItem(kind="a\0", name=b"", revision=1, past=(), is_dropped=False, sealed=b""),
        RecordItem(kind="a:b", name=b"", revision=1, past=(), is_dropped=False, sealed=b""),
        RecordItem(kind="x", name=b"", revision=2**64, past=(), is_dropped=False, sealed=b""),
        RecordItem(kind="x", name=b"", revision=2**63, past=(), is_dropped=False, sealed=b""),
        RecordItem(kind="x", name=b"", revision=-1, past=(), is_dropped=False, sealed=b""),
        RecordItem(kind="x", name=b"", revision=0, past=(), is_dropped=False, sealed=b""),
        RecordItem(kind="x", name=b"", revision=1, past=(bytes(31),), is_dropped=False, sealed=b""),
        TalliesItem(address=bytes(20), tallies=(b"",) * (TALLIES + 1)),
        RecordsItem(((b"", 1),) * 65_537),
        FileItem(
            address=bytes(20), entry_id=bytes(16), attachment_id=bytes(16), header=bytes(HEADER_BYTES_MAX + 1)
        ),
        DamagedItem(address=bytes(19), digest=b""),
    ],
    ids=[
        "sealed",
        "whole item",
        "name",
        "half a surrogate pair",
        "name with a NUL",
        "kind with a NUL",
        "kind with a colon",
        "over 64 bits",
        "over 63 bits",
        "negative",
        "before the first revision",
        "half a digest",
        "tallies",
        "records",
        "header",
        "address",
    ],
)
def test_an_item_that_a_reader_would_refuse_is_not_written(item: Item) -> None:
    with pytest.raises(MalformedError):
        item_to_bytes(item)


def test_the_largest_item_is_read() -> None:
    around = len(item_to_bytes(PublicFileItem(name="x", body=bytes(2**16)))) - 2**16
    item = PublicFileItem(name="x", body=bytes(ITEM_BYTES - around))
    assert ITEM_BYTES == len(item_to_bytes(item))
    assert item == item_from_bytes(item_to_bytes(item))


def test_a_short_item_cannot_make_a_reader_reserve_memory() -> None:
    """A length of four bytes can claim 4 GiB, and a list of many small items takes more memory than bytes."""
    address = b"\xc4\x14" + bytes(20)
    items = [
        b"\x92\xa5tally\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff\xa5tally",
        b"\x93\xa7tallies" + address + b"\xdd\xff\xff\xff\xff",
        b"\x93\xa7tallies" + address + b"\xdd" + (2**20).to_bytes(4) + b"\xc4\x02ab" * 2**20,
    ]
    tracemalloc.start()
    try:
        for raw in items:
            with pytest.raises(MalformedError):
                item_from_bytes(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_everything_in_the_store_fits_an_item() -> None:
    """The limits on items are not below the limits of the writers.

    An item over its limit would never arrive.
    """
    assert ledger.ROWS <= TALLIES
    assert sealed_record.NAME_BYTES == _NAME_BYTES
    assert max(len(kind) for kind in sealed_record.RecordKind) <= 40


@given(_ITEMS)
def test_an_item_does_not_show_in_a_log(item: Item) -> None:
    assert type(item).__name__ == repr(item)
