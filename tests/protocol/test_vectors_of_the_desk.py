"""Our code passes the committed test vectors of envelopes, content, records and tallies."""

import base64
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crypto.age import PQIdentity
from crypto.errors import CryptoError, ForgedError, MalformedError, UnreadableError
from journalist_app.desk.casefile import Casefile, tallies_of
from protocol.content import Content, proposal_digest
from protocol.entry import SignedEntry, open_entry, verify_entry
from protocol.errors import NewerVersionError
from protocol.identifiers import Address, Digest, EntryId, StrandId
from protocol.keyring import create_keyring
from protocol.ledger import Dimension, Tally, open_tally, tally_seed
from protocol.sealed_record import OpenedRecord, RecordKind, open_record, open_unsent, record_digest
from protocol.strand import StrandKey
from tests.protocol.desk_factories import a_letterhead
from tests.protocol.mailbox_factories import LAPTOP, WORKSTATION, a_mailbox, the_strands

Vector = dict[str, Any]

REFUSALS: dict[str, type[CryptoError]] = {
    "forged": ForgedError,
    "unreadable": UnreadableError,
    "malformed": MalformedError,
    "newer": NewerVersionError,
}


def _read(name: str) -> Any:  # noqa: ANN401  # JSON
    return json.loads((Path(__file__).parents[1] / "vectors" / name).read_text("utf-8"))


ENVELOPES = _read("envelope_v1.json")
CONTENTS = _read("content_v1.json")
RECORDS = _read("record_v1.json")
TALLIES = _read("tally_v1.json")


def _named(vectors: list[Vector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


def _strands(keys: dict[str, str]) -> dict[StrandId, StrandKey]:
    return {
        StrandId(bytes.fromhex(strand)): StrandKey(bytes.fromhex(key), date.min)
        for strand, key in keys.items()
    }


def test_there_are_vectors_of_each_kind_and_of_both_outcomes() -> None:
    for vectors in (CONTENTS, ENVELOPES, RECORDS["records"], RECORDS["unsent"], TALLIES["tallies"]):
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


def _entry(vector: Vector) -> SignedEntry:
    columns = {name: bytes.fromhex(vector[f"{name}_hex"]) for name in ("envelope", "signature")}
    sealed = {
        name: bytes.fromhex(vector[f"{name}_hex"]) if f"{name}_hex" in vector else None
        for name in ("header", "payload")
    }
    return SignedEntry.from_stored(**columns, epoch=1, **sealed)


def _read_entry(vector: Vector) -> Content | None:
    made = _entry(vector)
    verify_entry(made, mailbox_verify_key=a_mailbox().verify_key, strands=the_strands(WORKSTATION, LAPTOP))
    return open_entry(made, [a_mailbox().identity]) if made.envelope.is_words else None


def test_there_is_an_envelope_of_each_class_and_author() -> None:
    assert {(vector["class"], vector["author"]) for vector in ENVELOPES if "class" in vector} == {
        ("words", "source"), ("words", "desk"), ("receipt", "source"), ("receipt", "desk"),
        ("removal", "source"), ("end", "source"),
    }  # fmt: skip


@_named(ENVELOPES)
def test_a_committed_entry_reads_as_it_did(vector: Vector) -> None:
    if vector["expect"] in REFUSALS:
        with pytest.raises(REFUSALS[vector["expect"]]) as refused:
            _read_entry(vector)
        assert refused.type is REFUSALS[vector["expect"]]
        return
    content = _read_entry(vector)
    assert vector.get("text") == (None if content is None else content.text)
    made = _entry(vector)
    part = made.envelope
    assert bytes.fromhex(vector["envelope_hex"]) == part.to_bytes()
    assert (vector["class"], vector["author"]) == (part.entry_class.name.lower(), part.author.name.lower())
    assert (vector["number"], vector["digest_hex"]) == (part.number, made.digest.hex())
    for name, heads in (("heads", part.heads), ("unseen", part.unseen)):
        assert vector[name] == [[strand.hex(), number, digest.hex()] for strand, number, digest in heads]
    assert vector["due"] == (None if part.due is None else part.due.isoformat())
    assert vector["removes"] == [digest.hex() for digest in part.removes]
    assert vector.get("files_sha256_hex", "") == part.files_sha256.hex()


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
    expected = Tally(
        which, vector["revision"], vector["year"], Dimension(vector["dimension"]), vector["value"]
    )
    assert expected == open_tally(raw, identities, strands)


def test_the_ids_and_revisions_of_tallies_are_derived_as_they_were() -> None:
    vector = TALLIES["ids"]
    seed = tally_seed(bytes.fromhex(vector["desk_seed_hex"]), bytes.fromhex(vector["verify_key_hex"]))
    how: dict[str, Any] = {"revision": vector["revision"], "closed": date(2026, 3, 2), "is_read": True}
    tallies = tallies_of(Casefile(), a_letterhead(), seed=seed, **how)
    assert vector["tally_seed_hex"] == seed.hex()
    assert vector["tallies"] == [
        {"place": tally.dimension.value, "id_hex": tally.id.hex(), "revision": tally.revision}
        for tally in tallies
    ]
