import multiprocessing
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from sqlite3 import IntegrityError

import pytest
from sqlalchemy import text

from store import attachments, cleanup, entries, mailboxes
from store.database.engine import Store, open_store
from store.database.prepared_statements import roll_back
from store.database.sealed_rows import insert_sealed
from store.entries import StrandEnd
from store.errors import (
    AttachmentMissingError,
    EntryExistsError,
    EntryMissingError,
    HeadMovedError,
    NoSuchMailboxError,
    StoreDamagedError,
)
from tests.store.factories import DAY, NOW, a_mailbox, an_entry, an_upload, rows, usage


def append_with_patience(store: Store, address: bytes) -> None:
    while True:
        with store.reading() as session:
            (head,) = entries.strand_heads(session, address) or [None]
        try:
            if head is None:
                an_entry(store, address, number=1, previous=bytes(32))
            else:
                an_entry(store, address, number=head.number + 1, previous=head.digest)
        except HeadMovedError:
            continue
        return


def append_many(store: Store, address: bytes, count: int) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: append_with_patience(store, address), range(count)))


def test_an_entry_is_read_as_it_was_appended(store: Store, address: bytes) -> None:
    entry_id = an_entry(store, address, header=b"header", payload=b"payload")
    with store.reading() as session:
        found = entries.find(session, address, entry_id)
        listed = entries.of_mailbox(session, address)
    assert found is not None
    assert (b"header", b"payload", None, 1) == (found.header, found.payload, found.removal, found.number)
    assert [found] == listed


def test_an_entry_is_found_in_its_own_mailbox_only(store: Store, address: bytes) -> None:
    entry_id = an_entry(store, address)
    with store.reading() as session:
        assert entries.find(session, a_mailbox(store), entry_id) is None


def test_no_ciphertext_is_in_a_repr(store: Store, address: bytes) -> None:
    entry_id = an_entry(store, address, header=b"canary", payload=b"canary")
    with store.reading() as session:
        assert "canary" not in repr(entries.find(session, address, entry_id))


def test_each_strand_has_its_own_numbers(store: Store, address: bytes) -> None:
    an_entry(store, address)
    an_entry(store, address)
    an_entry(store, address, author=entries.DESK, strand=b"strand-1")
    an_entry(store, address, author=entries.DESK, strand=b"strand-2")
    with store.reading() as session:
        heads = entries.strand_heads(session, address)
        all_heads = sorted(entries.all_heads(session))
    assert [(0, b"", 2), (1, b"strand-1", 1), (1, b"strand-2", 1)] == [
        (h.author, h.strand, h.number) for h in heads
    ]
    assert sorted((address, h.strand, h.number, h.digest) for h in heads) == all_heads


def test_entries_are_listed_by_author_strand_and_number(store: Store, address: bytes) -> None:
    for _ in range(3):
        an_entry(store, address, author=entries.DESK, strand=b"strand-1")
        an_entry(store, address)
    with store.reading() as session:
        listed = entries.of_mailbox(session, address)
    assert [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)] == [(e.author, e.number) for e in listed]


@pytest.mark.parametrize(
    ("number", "previous"),
    [(2, b"\xaa" * 32), (1, bytes(32)), (3, None), (4, b"\xaa" * 32)],
    ids=["another head", "the start again", "a number left out", "both"],
)
def test_a_writer_who_saw_another_head_is_refused(
    store: Store, address: bytes, number: int, previous: bytes | None
) -> None:
    an_entry(store, address)
    before = usage(store)
    with pytest.raises(HeadMovedError):
        an_entry(store, address, number=number, previous=previous)
    assert (1, before) == (rows(store, "entry"), usage(store))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_same_entry_twice_is_one_entry(store: Store, address: bytes, number: int) -> None:
    entry_id = an_entry(store, address)
    with pytest.raises(EntryExistsError):
        an_entry(store, address, entry_id=entry_id, number=number)
    assert (1, 1) == (rows(store, "entry"), rows(store, "sealed"))


def test_a_refusal_that_the_caller_catches_commits_nothing(store: Store, address: bytes) -> None:
    entry_id = an_entry(store, address)
    with store.reading() as session:
        (head,) = entries.strand_heads(session, address)
        stored = entries.find(session, address, entry_id)
    assert stored is not None
    again = {
        name: getattr(stored, name)
        for name in (
            "address",
            "author",
            "strand",
            "envelope",
            "signature",
            "epoch",
            "day",
            "header",
            "payload",
        )
    }
    with store.writing() as session, pytest.raises(EntryExistsError):
        entries.append(
            session, **again, number=2, entry_id=entry_id, digest=os.urandom(32), previous=head.digest
        )
    with store.reading() as session:
        assert [head] == entries.strand_heads(session, address)


def test_a_row_that_breaks_a_constraint_is_not_reported_as_a_lost_race(store: Store, address: bytes) -> None:
    with pytest.raises(IntegrityError):
        an_entry(store, address, author=7)
    assert (0, 0) == (rows(store, "strand_head"), usage(store))


def test_nothing_is_appended_to_a_mailbox_that_ended(store: Store, address: bytes) -> None:
    with store.writing() as session:
        mailboxes.end_for_good(session, address, statement=b"ended", day=DAY)
    with pytest.raises(NoSuchMailboxError):
        an_entry(store, address)


def test_threads_of_two_processes_lose_and_double_no_number(store: Store, address: bytes) -> None:
    fork = multiprocessing.get_context("fork")
    other = fork.Process(target=append_many, args=(store, address, 40))
    other.start()
    append_many(store, address, 40)
    other.join()
    with store.reading() as session:
        numbers = [entry.number for entry in entries.of_mailbox(session, address)]
    assert 0 == other.exitcode
    assert list(range(1, 81)) == numbers


def test_two_openers_of_one_store_see_each_other(store: Store, address: bytes) -> None:
    other = open_store(store.path)
    an_entry(store, address)
    an_entry(other, address)
    with store.reading() as here, other.reading() as there:
        assert 2 == len(entries.of_mailbox(here, address)) == len(entries.of_mailbox(there, address))
    other.close()


def test_an_entry_adopts_its_attachments_with_it(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    ids = [an_upload(store, address, entry_id) for _ in range(3)]
    an_entry(store, address, entry_id=entry_id, attachment_ids=ids)
    with store.reading() as session:
        found = [attachments.find(session, address, one) for one in ids]
    assert [entry_id] * 3 == [one.entry_id for one in found if one is not None]


def test_adoption_is_all_or_nothing(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    whole = an_upload(store, address, entry_id)
    with pytest.raises(AttachmentMissingError):
        an_entry(store, address, entry_id=entry_id, attachment_ids=[whole, os.urandom(16)])
    with store.reading() as session:
        assert attachments.find(session, address, whole) is None
        assert entries.of_mailbox(session, address) == []
    an_entry(store, address, entry_id=entry_id, attachment_ids=[whole])


def test_an_upload_that_was_cut_off_is_not_adopted(store: Store, address: bytes) -> None:
    entry_id, attachment_id = os.urandom(16), os.urandom(16)
    with store.writing() as session:
        attachments.begin_upload(
            session,
            address=address,
            entry_id=entry_id,
            attachment_id=attachment_id,
            header=b"header",
            half_hour=NOW,
        )
    with pytest.raises(AttachmentMissingError):
        an_entry(store, address, entry_id=entry_id, attachment_ids=[attachment_id])


def test_an_entry_cannot_adopt_the_attachment_of_another_mailbox_or_entry(
    store: Store, address: bytes
) -> None:
    entry_id = os.urandom(16)
    attachment_id = an_upload(store, address, entry_id)
    with pytest.raises(AttachmentMissingError):
        an_entry(store, a_mailbox(store), entry_id=entry_id, attachment_ids=[attachment_id])
    with pytest.raises(AttachmentMissingError):
        an_entry(store, address, attachment_ids=[attachment_id])


def test_a_removed_entry_is_unreadable_at_once_and_leaves_a_tombstone(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    attachment_id = an_upload(store, address, entry_id)
    an_entry(store, address, entry_id=entry_id, attachment_ids=[attachment_id])
    with store.writing() as session:
        entries.remove_entry(session, address, entry_id, removal=b"removal")
    with store.reading() as session:
        tombstone = entries.find(session, address, entry_id)
        mailbox = mailboxes.find(session, address)
        assert attachments.find(session, address, attachment_id) is None
        headers = session.execute(text("SELECT count(*) FROM sealed WHERE header IS NOT NULL")).scalar_one()
    assert tombstone is not None
    assert mailbox is not None
    assert (b"removal", None, b"open" * 60) == (tombstone.removal, tombstone.header, tombstone.envelope)
    assert (0, 0) == (headers, mailbox.sealed_bytes)
    cleanup.destroy_deleted(store, NOW)
    with store.reading() as session:
        swept = entries.find(session, address, entry_id)
    assert swept is not None
    assert (b"removal", None, None) == (swept.removal, swept.header, swept.payload)
    assert (0, 0) == (rows(store, "sealed"), usage(store))


def test_a_strand_continues_after_its_head_was_removed(store: Store, address: bytes) -> None:
    entry_id = an_entry(store, address)
    with store.writing() as session:
        entries.remove_entry(session, address, entry_id, removal=b"removal")
    an_entry(store, address)
    with store.reading() as session:
        assert [1, 2] == [entry.number for entry in entries.of_mailbox(session, address)]


def taken_in(store: Store, address: bytes, **changed: object) -> None:
    columns: dict[str, object] = {
        "address": address,
        "author": entries.SOURCE,
        "strand": b"",
        "number": 1,
        "entry_id": os.urandom(16),
        "digest": os.urandom(32),
        "envelope": b"open" * 60,
        "signature": os.urandom(64),
        "epoch": 1,
        "day": DAY,
        "header": b"header",
        "payload": b"payload",
        "removal": None,
        "attachment_ids": (),
        "speaks": True,
        "is_answer": True,
        **changed,
    }
    with store.writing() as session:
        entries.apply_from_peer(session, **columns)


REMOVED = {"header": None, "payload": None, "removal": b"removal"}


def test_an_entry_from_a_peer_is_stored_with_its_files(store: Store, address: bytes) -> None:
    entry_id, digest = os.urandom(16), os.urandom(32)
    attachment_id = an_upload(store, address, entry_id, [b"chunk"], header=b"its header")
    taken_in(store, address, entry_id=entry_id, digest=digest, attachment_ids=[attachment_id])
    with store.reading() as session:
        found = entries.find(session, address, entry_id)
        assert attachments.find(session, address, attachment_id) is not None
        assert StrandEnd(28, 1, digest) == entries.strand_end(session, address, entries.SOURCE, b"")
    assert found is not None
    assert (b"header", b"payload", None) == (found.header, found.payload, found.removal)
    an_entry(store, address)
    with store.reading() as session:
        assert [1, 2] == [entry.number for entry in entries.of_mailbox(session, address)]


def test_a_tombstone_from_a_peer_takes_its_number_and_has_no_ciphertext(store: Store, address: bytes) -> None:
    entry_id, digest = os.urandom(16), os.urandom(32)
    taken_in(store, address, entry_id=entry_id, digest=digest, **REMOVED)
    with store.reading() as session:
        found = entries.find(session, address, entry_id)
        mailbox = mailboxes.find(session, address)
        assert StrandEnd(0, 1, digest) == entries.strand_end(session, address, entries.SOURCE, b"")
    assert found is not None
    assert mailbox is not None
    assert (b"removal", None, None, 1) == (found.removal, found.header, found.payload, found.number)
    assert (DAY, DAY, entries.SOURCE) == (mailbox.waiting_since, mailbox.last_day, mailbox.last_author)
    assert (0, 0) == (rows(store, "sealed"), usage(store))
    with store.writing() as session:
        entries.remove_entry(session, address, entry_id, removal=b"another")
        found = entries.find(session, address, entry_id)
    assert found is not None
    assert b"removal" == found.removal


def test_an_entry_that_arrives_early_keeps_its_number_and_the_head_is_the_newest(
    store: Store, address: bytes
) -> None:
    digests = {number: os.urandom(32) for number in (3, 1, 4, 2)}
    for number, digest in digests.items():
        taken_in(store, address, number=number, digest=digest)
    with store.reading() as session:
        assert [digests[number] for number in (1, 2, 3, 4)] == [
            entry.digest for entry in entries.of_mailbox(session, address)
        ]
        (head,) = entries.strand_heads(session, address)
    assert (4, digests[4]) == (head.number, head.digest)


@pytest.mark.parametrize("removed", [{}, REMOVED], ids=["entry", "tombstone"])
def test_an_entry_from_a_peer_moves_its_mailbox_to_the_same_list_of_the_inbox(
    store: Store, address: bytes, removed: dict[str, object]
) -> None:
    def waits() -> bool:
        with store.reading() as session:
            return address not in entries.addresses_not_waiting(session)

    taken_in(store, address, **removed, speaks=False)
    assert not waits()
    taken_in(store, address, **removed, number=2)
    assert waits()
    desk = {"author": entries.DESK, "strand": b"strand-1"}
    taken_in(store, address, **removed, **desk, is_answer=False)
    assert waits()
    taken_in(store, address, **removed, **desk, number=2)
    assert not waits()


@pytest.mark.parametrize("removed", [{}, REMOVED], ids=["entry", "tombstone"])
def test_an_entry_from_a_peer_is_refused_if_its_number_or_id_is_taken(
    store: Store, address: bytes, removed: dict[str, object]
) -> None:
    entry_id = an_entry(store, address)
    other = a_mailbox(store)
    before = usage(store)
    for refusal, changed in (
        (EntryExistsError, {}),
        (EntryExistsError, {"number": 2, "entry_id": entry_id}),
        (EntryExistsError, {"author": entries.DESK, "strand": b"strand-1", "entry_id": entry_id}),
        (NoSuchMailboxError, {"address": os.urandom(20)}),
        (AttachmentMissingError, {"address": other, "attachment_ids": [os.urandom(16)]}),
    ):
        with pytest.raises(refusal):
            taken_in(store, **{"address": address, **removed, **changed})
    assert (1, 1, before) == (rows(store, "entry"), rows(store, "strand_head"), usage(store))


def test_the_digest_at_a_number_is_also_returned_for_a_tombstone(store: Store, address: bytes) -> None:
    an_entry(store, address)
    an_entry(store, address)
    with store.reading() as session:
        first, second = entries.of_mailbox(session, address)
    with store.writing() as session:
        entries.remove_entry(session, address, first.entry_id, removal=b"removal")
    with store.reading() as session:
        found = [entries.digest_at(session, address, entries.SOURCE, b"", number) for number in (1, 2, 3)]
        assert entries.digest_at(session, address, entries.DESK, b"", 1) is None
    assert [first.digest, second.digest, None] == found


def test_the_first_removal_stays(store: Store, address: bytes) -> None:
    entry_id = an_entry(store, address)
    for removal in (b"first", b"second"):
        with store.writing() as session:
            entries.remove_entry(session, address, entry_id, removal=removal)
    with store.reading() as session:
        tombstone = entries.find(session, address, entry_id)
    assert tombstone is not None
    assert b"first" == tombstone.removal
    assert 1 == rows(store, "deletion_queue")


def test_an_entry_that_does_not_exist_cannot_be_removed(store: Store, address: bytes) -> None:
    with store.writing() as session, pytest.raises(EntryMissingError):
        entries.remove_entry(session, address, os.urandom(16), removal=b"removal")


def test_row_ids_do_not_follow_the_order_of_arrival(store: Store, address: bytes) -> None:
    for _ in range(40):
        an_entry(store, address)
    with store.reading() as session:
        ids = session.execute(text("SELECT id FROM entry ORDER BY number")).scalars().all()
    rising = Counter(a < b for a, b in pairwise(ids))
    assert 5 < rising[True] < 35
    assert max(ids) < 2**63


def place_of(
    store: Store, address: bytes, author: int = entries.SOURCE, strand: bytes = b""
) -> StrandEnd | None:
    with store.reading() as session:
        return entries.strand_end(session, address, author, strand)


def test_one_query_returns_the_end_of_a_strand(store: Store, address: bytes) -> None:
    assert StrandEnd(0, 0, bytes(32)) == place_of(store, address)
    an_entry(store, address, header=bytes(10), payload=bytes(20))
    an_entry(store, address, author=entries.DESK, strand=b"strand-1", header=b"", payload=bytes(5))
    with store.reading() as session:
        desk, source = sorted(
            entries.strand_heads(session, address), key=lambda head: head.author, reverse=True
        )
    assert StrandEnd(35, 1, source.digest) == place_of(store, address)
    assert StrandEnd(35, 1, desk.digest) == place_of(store, address, entries.DESK, b"strand-1")
    assert StrandEnd(35, 0, bytes(32)) == place_of(store, address, entries.DESK, b"strand-2")


def test_there_is_no_end_of_a_strand_without_a_mailbox(store: Store) -> None:
    assert place_of(store, os.urandom(20)) is None


@pytest.mark.parametrize("number", ["0", "-1", "'one'", "x'00'"])
def test_a_head_that_no_writer_wrote_is_refused_as_damage(store: Store, address: bytes, number: str) -> None:
    an_entry(store, address)
    with store.writing() as session:
        session.execute(text(f"UPDATE strand_head SET number = {number}"))  # noqa: S608  # our own words
    with pytest.raises(StoreDamagedError):
        place_of(store, address)


def test_statements_after_a_refusal_are_committed_or_rolled_back_together(store: Store) -> None:
    def refuse_and_go_on(*, fail: bool) -> None:
        with store.writing() as session:
            with pytest.raises(NoSuchMailboxError):
                attachments.begin_upload(
                    session,
                    address=os.urandom(20),
                    entry_id=os.urandom(16),
                    attachment_id=os.urandom(16),
                    header=b"header",
                    half_hour=1,
                )
            roll_back(session)
            insert_sealed(session, header=b"after the refusal")
            if fail:
                raise KeyError

    with pytest.raises(KeyError):
        refuse_and_go_on(fail=True)
    assert (0, 0) == (rows(store, "sealed"), usage(store))
    refuse_and_go_on(fail=False)
    assert (1, 17) == (rows(store, "sealed"), usage(store))


def test_the_entries_of_several_mailboxes_are_those_of_each_mailbox(store: Store) -> None:
    written, silent, other = (a_mailbox(store) for _ in range(3))
    for address in (written, other, written):
        an_entry(store, address)
    with store.reading() as session:
        found = entries.of_mailboxes(session, [written, silent])
        assert {written: entries.of_mailbox(session, written), silent: []} == found
