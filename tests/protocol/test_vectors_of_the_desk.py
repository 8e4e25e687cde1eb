"""The committed vectors of marks, notes, records, orders and tallies."""

import base64
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crypto.age import PQIdentity
from crypto.errors import CryptoError, ForgedError, MalformedError, UnreadableError
from protocol.content import Content, proposal_digest
from protocol.entry import SignedEntry, open_entry, verify_entry
from protocol.identifiers import Address, Digest, EntryId, StrandId
from protocol.keyring import create_keyring
from protocol.ledger import Dimension, Tally, open_tally
from protocol.sealed_record import OpenedRecord, RecordKind, open_record, open_unsent, record_digest
from protocol.statements.deletion_order import verify_order
from protocol.strand import StrandKey
from tests.protocol.mailbox_factories import a_mailbox, the_strands

Vector = dict[str, Any]

REFUSALS: dict[str, type[CryptoError]] = {
    "forged": ForgedError,
    "unreadable": UnreadableError,
    "malformed": MalformedError,
}


def _read(name: str) -> Any:  # noqa: ANN401  # JSON
    return json.loads((Path(__file__).parents[1] / "vectors" / name).read_text("utf-8"))


CONTENTS = _read("content_v1.json")
MARKS = _read("mark_v1.json")
RECORDS = _read("record_v1.json")
ORDERS = _read("order_v1.json")
TALLIES = _read("tally_v1.json")


def _named(vectors: list[Vector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


def _strands(keys: dict[str, str]) -> dict[StrandId, StrandKey]:
    return {
        StrandId(bytes.fromhex(strand)): StrandKey(bytes.fromhex(key), date.min)
        for strand, key in keys.items()
    }


def test_there_are_vectors_of_each_kind_and_of_both_outcomes() -> None:
    for vectors in (
        CONTENTS,
        MARKS,
        RECORDS["records"],
        RECORDS["unsent"],
        ORDERS["orders"],
        TALLIES["tallies"],
    ):
        outcomes = {vector["expect"] for vector in vectors}
        assert outcomes & REFUSALS.keys()
        assert outcomes - REFUSALS.keys()
        assert len({vector["name"] for vector in vectors}) == len(vectors)


@_named(CONTENTS)
def test_committed_content_reads_as_it_did(vector: Vector) -> None:
    raw = vector["content"].encode()
    if vector["expect"] in REFUSALS:
        with pytest.raises(REFUSALS[vector["expect"]]):
            Content.from_bytes(raw)
        return
    content = Content.from_bytes(raw)
    assert vector["kind"] == content.kind
    assert json.loads(raw) == json.loads(content.to_bytes())
    if "digest_hex" in vector:
        digest = proposal_digest(
            content,
            address=Address(bytes.fromhex(vector["address_hex"])),
            entry_id=EntryId(bytes.fromhex(vector["entry_id_hex"])),
        )
        assert vector["digest_hex"] == digest.hex()


@_named(MARKS)
def test_a_committed_mark_reads_as_it_did(vector: Vector) -> None:
    made = SignedEntry.from_stored(
        envelope=bytes.fromhex(vector["open_part_hex"]),
        signature=bytes.fromhex(vector["signature_hex"]),
        epoch=1,
        header=bytes.fromhex(vector["header_hex"]),
        payload=bytes.fromhex(vector["payload_hex"]),
        removal=None,
    )
    assert bytes.fromhex(vector["open_part_hex"]) == made.envelope.to_bytes()
    if vector["expect"] in REFUSALS:
        with pytest.raises(REFUSALS[vector["expect"]]):
            _verify_and_open(made)
        return
    assert vector["kind"] == _verify_and_open(made).kind
    assert (vector["speaks"], vector["digest_hex"]) == (made.envelope.speaks, made.digest.hex())


def _verify_and_open(made: SignedEntry) -> Content:
    verify_entry(made, mailbox_verify_key=a_mailbox().verify_key, strands=the_strands())
    return open_entry(made, [a_mailbox().identity])


@_named(RECORDS["records"])
def test_a_committed_record_reads_as_it_did(vector: Vector) -> None:
    identity = PQIdentity(bytes.fromhex(RECORDS["seed_hex"]))
    keyring = replace(create_keyring("Workstation 1", []), epochs={1: identity})
    raw = base64.b64decode(vector["record"])
    where = (RecordKind(RECORDS["kind"]), bytes.fromhex(RECORDS["name_hex"]))
    strands = _strands(RECORDS["strands"])
    if vector["expect"] in REFUSALS:
        with pytest.raises(REFUSALS[vector["expect"]]):
            open_record(raw, *where, keyring, strands)
        return
    strand = StrandId(bytes.fromhex(vector["strand_hex"]))
    past = tuple(Digest(bytes.fromhex(each)) for each in vector.get("past_hex", ()))
    expected = OpenedRecord(vector["revision"], vector["body"].encode(), strand, past)
    assert record_digest(raw).hex() == vector.get("digest_hex", record_digest(raw).hex())
    assert expected == open_record(raw, *where, keyring, strands)


@_named(RECORDS["unsent"])
def test_a_committed_unsent_text_reads_as_it_did(vector: Vector) -> None:
    identities = (PQIdentity(bytes.fromhex(RECORDS["seed_hex"])),)
    raw = base64.b64decode(vector["sealed"])
    if vector["expect"] in REFUSALS:
        with pytest.raises(REFUSALS[vector["expect"]]):
            open_unsent(raw, identities)
        return
    assert vector["body"].encode() == open_unsent(raw, identities)


@_named(ORDERS["orders"])
def test_a_committed_order_reads_as_it_did(vector: Vector) -> None:
    strands = {
        StrandId(bytes.fromhex(strand)): StrandKey(
            bytes.fromhex(key["verify_key_hex"]),
            date.fromisoformat(key["since"]),
            date.fromisoformat(key["until"]),
        )
        for strand, key in ORDERS["strands"].items()
    }
    raw = bytes.fromhex(vector["order_hex"])
    if vector["expect"] in REFUSALS:
        with pytest.raises(REFUSALS[vector["expect"]]):
            verify_order(raw, strands=strands)
        return
    read = verify_order(raw, strands=strands)
    assert vector["address_hex"] == read.address.hex()
    assert (vector["due"], vector["day"]) == (read.due.isoformat(), read.day.isoformat())
    assert vector["strand_hex"] == read.strand.hex()
    assert vector["tallies_sha256"] == [digest.hex() for digest in read.tallies_sha256]
    assert vector["heads"] == {
        strand.hex(): [number, digest.hex()] for strand, (number, digest) in read.heads.items()
    }


@_named(TALLIES["tallies"])
def test_a_committed_tally_reads_as_it_did(vector: Vector) -> None:
    identities = [PQIdentity(bytes.fromhex(TALLIES["seed_hex"]))]
    strands = _strands(TALLIES["strands"])
    raw = base64.b64decode(vector["tally"])
    if vector["expect"] in REFUSALS:
        with pytest.raises(REFUSALS[vector["expect"]]):
            open_tally(raw, identities, strands)
        return
    which = bytes.fromhex(vector["id_hex"])
    expected = Tally(which, vector["year"], Dimension(vector["dimension"]), vector["value"])
    assert expected == open_tally(raw, identities, strands)
