"""Reading a mailbox: a damaged row is reported, and everything else is read."""

import pytest

from protocol.envelope import Author
from protocol.transcript.check import FaultKind
from store.database.engine import Store
from stored_mailbox.appending import store_entry
from stored_mailbox.reading import StoredTranscript, read_stored
from tests.protocol.mailbox_factories import WORKSTATION, Talk, a_mailbox, kinds, the_strands
from tests.stores import as_operator


@pytest.fixture
def filled(store: Store, talk: Talk) -> Store:
    """Return a store with an encrypted entry of each side and a receipt."""
    talk.write(talk.source)
    talk.write(WORKSTATION)
    talk.read(talk.source)
    with store.writing() as session:
        for entry in talk.entries:
            store_entry(session, entry)
    return store


def read(store: Store, talk: Talk, verify_key: bytes | None = None) -> StoredTranscript:
    with store.reading() as session:
        stored = read_stored(session, talk.keys.address, the_strands(), verify_key=verify_key)
    assert stored is not None
    return stored


def change(store: Store, statement: str) -> None:
    with as_operator(store) as operator:
        operator.execute(statement)


def test_a_mailbox_is_read_as_it_was_written(filled: Store, talk: Talk) -> None:
    stored = read(filled, talk)

    assert [entry.digest for entry in talk.entries] == [entry.digest for entry in stored.transcript.entries]
    assert (stored.transcript.faults, stored.damaged, stored.has_sound_keys) == ((), (), True)
    assert talk.keys.address == stored.mailbox.address


def test_there_is_no_transcript_without_a_mailbox(store: Store) -> None:
    with store.reading() as session:
        assert read_stored(session, a_mailbox(9).address, the_strands()) is None


@pytest.mark.parametrize("column", ["envelope", "signature"])
@pytest.mark.parametrize("value", ["'words'", "7", "1.5", "x'ff'", "CAST(x'ff' AS TEXT)"])
def test_a_row_that_does_not_parse_hides_no_other_row(
    filled: Store, talk: Talk, column: str, value: str
) -> None:
    change(filled, f"UPDATE entry SET {column} = {value} WHERE author = 1")  # noqa: S608  # our own words

    stored = read(filled, talk)

    assert stored.damaged == (None,)
    assert len(stored.transcript.entries) == 2
    assert kinds(stored.transcript) == {FaultKind.MISSING}  # the receipt names the answer


@pytest.mark.parametrize(
    "edit",
    [
        "number = 9",
        "author = 0",
        "author = 7",
        "strand = x'00'",
        "entry_id = x'00'",
        "day = 'x'",
        "digest = x'00'",
    ],
)
def test_a_row_whose_columns_differ_from_what_was_signed_is_damaged_and_read(
    filled: Store, talk: Talk, edit: str
) -> None:
    change(filled, f"UPDATE entry SET {edit} WHERE author = 1")  # noqa: S608  # our own words

    stored = read(filled, talk)

    assert [(part.author, part.number) for part in stored.damaged if part] == [(Author.DESK, 1)]
    assert [entry.digest for entry in talk.entries] == [entry.digest for entry in stored.transcript.entries]


def test_with_keys_of_another_mailbox_no_entry_counts_as_the_sources(filled: Store, talk: Talk) -> None:
    change(filled, "UPDATE mailbox SET verify_key = zeroblob(32)")

    stored = read(filled, talk)
    with_own_key = read(filled, talk, talk.keys.verify_key)

    assert not stored.has_sound_keys
    assert [entry.envelope.author for entry in stored.transcript.entries] == [Author.DESK]
    assert len(with_own_key.transcript.entries) == 3
