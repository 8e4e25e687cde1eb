from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import age, signed_lines
from crypto.age import PQIdentity
from crypto.errors import ForgedError, MalformedError, TooLongError, UnreadableError
from protocol.errors import NewerVersionError
from protocol.identifiers import Digest, StrandId
from protocol.keyring import Keyring, create_keyring
from protocol.sealed_record import (
    BODY_BYTES,
    NAME_BYTES,
    PAST,
    OpenedRecord,
    RecordKind,
    _Unsent,
    open_record,
    open_unsent,
    past_after,
    record_digest,
    seal_record,
    seal_unsent,
)
from protocol.strand import StrandKey
from tests.protocol.desk_factories import SECOND_IDENTITY, a_letterhead, an_epoch

KEYRING = create_keyring("Workstation 1", [])
LETTERHEAD = a_letterhead(epochs=(an_epoch(identity=KEYRING.epochs[1]),))
NAME = b"a" * 20
RETIRED = StrandKey(KEYRING.strand.verify_key, date(2026, 1, 1), date(2026, 1, 2))
STRANDS = {KEYRING.strand.id: RETIRED}
RECIPIENT = KEYRING.epochs[1].recipient


def a_record(
    body: bytes = b"notes",
    kind: RecordKind = RecordKind.CASEFILE,
    name: bytes = NAME,
    revision: int = 3,
    keyring: Keyring = KEYRING,
    past: tuple[Digest, ...] = (),
) -> bytes:
    """Seal a record that is made from an earlier revision, whose ciphertext is empty."""
    made_from = [] if revision == 1 else [(b"", OpenedRecord(revision - 1, b"", keyring.strand.id, past))]
    return seal_record(kind, name, body, *made_from, keyring=keyring, letterhead=LETTERHEAD)


def opened(raw: bytes) -> OpenedRecord:
    return open_record(raw, RecordKind.CASEFILE, NAME, KEYRING, STRANDS)


def resealed(plaintext: bytes) -> bytes:
    sealed = age.encrypt(plaintext, [RECIPIENT])
    return sealed.header + sealed.payload


def plaintext_of(raw: bytes) -> bytes:
    return age.decrypt(*age.split_file(raw), KEYRING.identities)[0]


@given(st.sampled_from(RecordKind), st.binary(max_size=NAME_BYTES), st.integers(1, 2**63 - 1), st.binary())
def test_a_record_comes_back_as_it_was(kind: RecordKind, name: bytes, revision: int, body: bytes) -> None:
    read = open_record(a_record(body, kind, name, revision), kind, name, KEYRING, STRANDS)
    past = () if revision == 1 else (record_digest(b""),)
    assert OpenedRecord(revision, body, KEYRING.strand.id, past) == read


@given(st.binary())
def test_random_bytes_are_neither_a_record_nor_unsent_text(raw: bytes) -> None:
    for sealed in (raw, resealed(raw)):
        with pytest.raises((UnreadableError, MalformedError)):
            opened(sealed)
        with pytest.raises((UnreadableError, MalformedError)):
            open_unsent(sealed, KEYRING.identities)


@pytest.mark.parametrize(
    ("kind", "name"), [(RecordKind.DRAFT, NAME), (RecordKind.CASEFILE, b"b" * 20)], ids=["kind", "name"]
)
def test_a_record_stored_instead_of_another_is_detected(kind: RecordKind, name: bytes) -> None:
    with pytest.raises(ForgedError):
        opened(a_record(kind=kind, name=name))


def test_a_record_that_someone_else_encrypted_to_the_desk_is_detected() -> None:
    """The epoch's recipient is public, so encryption does not prove who wrote a record."""
    stranger = create_keyring("Workstation 2", [])
    with pytest.raises(ForgedError):
        opened(a_record(keyring=stranger))
    under_its_name = {stranger.strand.id: RETIRED}
    with pytest.raises(ForgedError):
        open_record(a_record(keyring=stranger), RecordKind.CASEFILE, NAME, KEYRING, under_its_name)


def test_a_colleagues_record_is_read_and_says_whose_it_is() -> None:
    colleague = create_keyring("Workstation 2", [])
    strands = STRANDS | {colleague.strand.id: StrandKey(colleague.strand.verify_key, date(2026, 1, 1))}
    read = open_record(a_record(keyring=colleague), RecordKind.CASEFILE, NAME, KEYRING, strands)
    assert colleague.strand.id == read.strand


def test_only_the_desk_opens_its_records() -> None:
    elsewhere = a_letterhead(epochs=(an_epoch(identity=SECOND_IDENTITY),))
    raw = seal_record(RecordKind.CASEFILE, NAME, b"notes", keyring=KEYRING, letterhead=elsewhere)
    with pytest.raises(UnreadableError):
        opened(raw)


def test_short_records_have_one_size() -> None:
    assert len({len(a_record(body)) for body in (b"", b"notes", b"x" * 2_500)}) == 1
    assert len({len(seal_unsent(body, LETTERHEAD)) for body in (b"", b"text", b"x" * 2_500)}) == 1


def test_the_largest_record_fits_a_row_of_the_store_and_one_byte_more_is_refused() -> None:
    assert len(a_record(bytes(BODY_BYTES))) < 1024 * 1024
    for seal in (a_record, lambda body: seal_unsent(body, LETTERHEAD)):
        with pytest.raises(TooLongError):
            seal(bytes(BODY_BYTES + 1))
    with pytest.raises(TooLongError):
        a_record(name=bytes(NAME_BYTES + 1))


def test_a_revision_out_of_range_is_not_encrypted() -> None:
    with pytest.raises(MalformedError):
        a_record(revision=2**63)


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.rstrip(b" "),
        lambda line: line + b" ",
        lambda line: line.replace(b'"revision":3', b'"revision":03'),
        lambda line: line.replace(b'"revision":3', b'"revision":0'),
        lambda line: line.replace(b'{"kind"', b'{"extra":1,"kind"'),
        lambda line: line.replace(b'"casefile"', b'"gossip"'),
        lambda line: line.replace(b'"body"', b'"boby"'),
        lambda line: line.replace(b'"name"', b'"n\xff"'),
    ],
    ids=[
        "no padding",
        "too much padding",
        "another spelling",
        "no revision",
        "an unknown field",
        "an unknown kind",
        "no body",
        "no UTF-8",
    ],
)
def test_bytes_that_we_never_write_are_malformed(change: Callable[[bytes], bytes]) -> None:
    version, line, _, _ = plaintext_of(a_record()).split(b"\n")
    with pytest.raises(MalformedError):
        opened(resealed(signed_lines.write_signed_lines(version, change(line), KEYRING.strand.seed)))


def test_a_record_with_a_signature_for_another_purpose_is_detected() -> None:
    version, line, _, _ = plaintext_of(a_record()).split(b"\n")
    other = signed_lines.write_signed_lines(b"steunpunt-anchors/1", line, KEYRING.strand.seed).split(b"\n")[2]
    with pytest.raises(ForgedError):
        opened(resealed(b"\n".join([version, line, other, b""])))


def test_one_changed_byte_makes_a_record_unreadable() -> None:
    raw = bytearray(a_record())
    raw[-1] ^= 1
    with pytest.raises(UnreadableError):
        opened(bytes(raw))


@given(st.binary())
def test_unsent_text_comes_back_as_it_was(body: bytes) -> None:
    assert body == open_unsent(seal_unsent(body, LETTERHEAD), KEYRING.identities)


def test_unsent_text_never_passes_for_a_record_nor_a_record_for_unsent_text() -> None:
    with pytest.raises(MalformedError):
        opened(seal_unsent(b"notes", LETTERHEAD))
    with pytest.raises(MalformedError):
        open_unsent(a_record(), KEYRING.identities)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"\n",
        lambda raw: raw.replace(b" ", b"", 1),
        lambda raw: raw.replace(b"unsent/1", b"unsent/2"),
        lambda raw: raw.replace(b'"body"', b'"boby"'),
    ],
    ids=["no line end", "one line end more", "other padding", "another version", "no body"],
)
def test_unsent_text_of_another_shape_is_malformed(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedError):
        open_unsent(resealed(change(plaintext_of(seal_unsent(b"text", LETTERHEAD)))), KEYRING.identities)


def test_only_the_desk_opens_unsent_text() -> None:
    with pytest.raises(UnreadableError):
        open_unsent(seal_unsent(b"text", LETTERHEAD), (PQIdentity(bytes(32)),))


def test_a_stock_reader_finds_the_body_in_the_second_line() -> None:
    version, line, signature, end = plaintext_of(a_record(b"notes")).split(b"\n")
    assert (b"steunpunt-record/1", b"") == (version, end)
    assert b'"body":"bm90ZXM="' in line
    assert len(signature) == 86


# ---- the revisions that a record contains

DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)


@given(st.lists(DIGESTS, max_size=PAST + 8, unique=True).map(tuple))
def test_a_record_names_the_revisions_that_it_contains(past: tuple[Digest, ...]) -> None:
    assert (record_digest(b""), *past)[:PAST] == opened(a_record(past=past)).past


REVISIONS = st.tuples(st.binary(min_size=1), st.lists(DIGESTS, max_size=PAST, unique=True).map(tuple)).map(
    lambda each: (each[0], OpenedRecord(1, b"", KEYRING.strand.id, each[1]))
)


@given(REVISIONS, REVISIONS)
def test_the_past_of_a_merged_record_contains_both_and_has_no_order(
    one: tuple[bytes, OpenedRecord], other: tuple[bytes, OpenedRecord]
) -> None:
    past = past_after(one, other)
    assert past == past_after(other, one)
    assert {record_digest(one[0]), record_digest(other[0])} <= set(past)
    assert len(past) == len(set(past)) <= PAST
    for _, opened_one in (one, other):
        assert set(opened_one.past[: PAST // 2 - 1]) <= set(past)


def test_the_past_goes_back_32_revisions_and_no_further() -> None:
    sealed, known = b"", OpenedRecord(1, b"", KEYRING.strand.id)
    digests = []
    for number in range(40):
        digests.insert(0, record_digest(sealed))
        known = OpenedRecord(1, b"", KEYRING.strand.id, past_after((sealed, known)))
        sealed = b"%d" % number
    assert tuple(digests[:PAST]) == known.past


def test_a_record_of_a_later_version_is_told_from_damage() -> None:
    version, *rest = plaintext_of(a_record()).split(b"\n")
    assert version == b"steunpunt-record/1"
    with pytest.raises(NewerVersionError):
        opened(resealed(b"\n".join([b"steunpunt-record/2", *rest])))
    with pytest.raises(MalformedError) as caught:
        opened(resealed(b"\n".join([b"steunpunt-tally/1", *rest])))
    assert not isinstance(caught.value, NewerVersionError)


def test_a_record_does_not_show_in_a_log() -> None:
    assert "canary" not in repr(OpenedRecord(1, b"canary", StrandId(b"strand-1")))
    assert "canary" not in repr(opened(a_record(b"canary")))
    assert repr(_Unsent(body=b"canary")) == "_Unsent"
