import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from store import attachments, cleanup, entries, mailboxes
from store.database.engine import Store
from store.database.prepared_statements import roll_back
from store.database.sealed_rows import insert_sealed
from store.entries import StoredEntry
from store.errors import AttachmentMissingError, MailboxChangedError, NoSuchMailboxError, StoreDamagedError
from tests.store.factories import (
    DAY,
    NOW,
    a_mailbox,
    add,
    an_entry,
    an_upload,
    destroy,
    on_sqlite,
    opened_again,
    rows,
    usage,
)
from tests.store_work import work_of


def version_of(store: Store, address: bytes) -> int:
    with store.reading() as session:
        mailbox = mailboxes.find(session, address)
    assert mailbox is not None
    return mailbox.version


def append_if_unchanged(store: Store, address: bytes, version: int, number: int) -> None:
    with store.writing() as session:
        entries.claim(session, address, version)
        add(session, address, number=number)


def append_with_patience(store: Store, address: bytes) -> None:
    while True:
        with store.reading() as session:
            mailbox = mailboxes.find(session, address)
            number = len(entries.of_mailbox(session, address)) + 1
        assert mailbox is not None
        try:
            append_if_unchanged(store, address, mailbox.version, number)
        except MailboxChangedError:
            continue
        return


def append_many(store: Store, address: bytes, count: int) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: append_with_patience(store, address), range(count)))


def found(store: Store, address: bytes, digest: bytes) -> StoredEntry:
    with store.reading() as session:
        entry = entries.find_digest(session, address, digest)
    assert entry is not None
    return entry


def test_an_entry_is_read_as_it_was_added(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    digest = an_entry(store, address, entry_id=entry_id, header=b"header", payload=b"payload")
    entry = found(store, address, digest)
    assert (b"header", b"payload", 1, entry_id) == (entry.header, entry.payload, entry.number, entry.entry_id)
    with store.reading() as session:
        assert [entry] == entries.of_mailbox(session, address)
        assert [entry] == entries.find_by_entry_id(session, address, entry_id)
        assert [digest] == entries.digests(session, address)
        (envelope,) = entries.envelopes(session, address)
    assert (entry.envelope, entry.signature, digest) == (
        envelope.envelope,
        envelope.signature,
        envelope.digest,
    )


def test_an_entry_without_an_encrypted_part_has_no_ciphertext(store: Store, address: bytes) -> None:
    entry = found(store, address, an_entry(store, address, is_words=False))
    assert (None, None) == (entry.header, entry.payload)
    assert (0, 0) == (rows(store, "sealed"), usage(store))


def test_an_entry_is_found_in_its_own_mailbox_only(store: Store, address: bytes) -> None:
    digest = an_entry(store, address)
    other = a_mailbox(store)
    with store.reading() as session:
        assert entries.find_digest(session, other, digest) is None
        assert [] == entries.find_by_entry_id(session, other, found(store, address, digest).entry_id)


def test_no_ciphertext_is_in_a_repr(store: Store, address: bytes) -> None:
    digest = an_entry(store, address, header=b"canary", payload=b"canary")
    assert "canary" not in repr(found(store, address, digest))


def test_two_entries_may_have_one_number_and_one_id(store: Store, address: bytes) -> None:
    """A row that was hidden for a moment must not keep the source from writing."""
    entry_id = os.urandom(16)
    digests = sorted(an_entry(store, address, entry_id=entry_id, number=1) for _ in range(2))
    with store.reading() as session:
        assert digests == [entry.digest for entry in entries.find_by_entry_id(session, address, entry_id)]
        assert digests == sorted(
            entry.digest for entry in entries.of_strand(session, address, 0, b"", number=1)
        )
        known, other = digests
        (left,) = entries.of_strand(session, address, 0, b"", number=1, known=known)
        assert other == left.digest


def test_entries_are_listed_by_author_strand_and_number(store: Store, address: bytes) -> None:
    for _ in range(3):
        an_entry(store, address, author=entries.DESK, strand=b"strand-1")
        an_entry(store, address)
    with store.reading() as session:
        listed = entries.of_mailbox(session, address)
    assert [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)] == [(e.author, e.number) for e in listed]


def test_the_newer_entries_of_one_strand_are_read_alone(store: Store, address: bytes) -> None:
    for _ in range(4):
        an_entry(store, address)
        an_entry(store, address, author=entries.DESK, strand=b"strand-1")
        an_entry(store, address, author=entries.DESK, strand=b"strand-2")
    with store.reading() as session:
        newer = entries.of_strand(session, address, entries.DESK, b"strand-1", number=3)
        between = entries.of_strand(session, address, entries.SOURCE, b"", number=2, last=3)
    assert [(b"strand-1", 3), (b"strand-1", 4)] == [(entry.strand, entry.number) for entry in newer]
    assert [(b"", 2), (b"", 3)] == [(entry.strand, entry.number) for entry in between]
    assert {(None, None)} == {(entry.header, entry.payload) for entry in (*newer, *between)}


def test_a_writer_who_verified_an_older_state_is_refused(store: Store, address: bytes) -> None:
    before = version_of(store, address)
    an_entry(store, address)
    with pytest.raises(MailboxChangedError):
        append_if_unchanged(store, address, before, 2)
    assert 1 == rows(store, "entry")
    append_if_unchanged(store, address, version_of(store, address), 2)
    assert 2 == rows(store, "entry")


def test_an_entry_from_a_peer_changes_the_version(store: Store, address: bytes) -> None:
    before = version_of(store, address)
    with store.writing() as session:
        add(session, address)
    assert before != version_of(store, address)


def test_a_refusal_that_the_caller_catches_commits_nothing(store: Store, address: bytes) -> None:
    with store.writing() as session, pytest.raises(AttachmentMissingError):
        add(session, address, attachment_ids=[os.urandom(16)])
    assert (0, 0, 0) == (rows(store, "entry"), usage(store), version_of(store, address))


def test_a_row_that_breaks_a_constraint_is_not_reported_as_a_lost_race(store: Store, address: bytes) -> None:
    with pytest.raises(StoreDamagedError):
        an_entry(store, address, digest=None, number=None, strand=None)  # type: ignore[arg-type]  # NULL
    assert (0, 0) == (rows(store, "entry"), usage(store))


def test_nothing_is_added_to_a_mailbox_that_ended(store: Store, address: bytes) -> None:
    with store.writing() as session:
        mailboxes.end_for_good(session, address, proof=b"ended", day=DAY)
    for write in (lambda session: entries.claim(session, address, 0), lambda session: add(session, address)):
        with store.writing() as session, pytest.raises(NoSuchMailboxError):
            write(session)


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
    other = opened_again(store)
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
        adopted = [attachments.find(session, address, one) for one in ids]
    assert [entry_id] * 3 == [one.entry_id for one in adopted if one is not None]


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


def test_a_destroyed_entry_is_unreadable_at_once_and_keeps_its_envelope(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    attachment_id = an_upload(store, address, entry_id)
    digest = an_entry(store, address, entry_id=entry_id, attachment_ids=[attachment_id])
    assert destroy(store, address, digest) > 0
    with store.reading() as session:
        mailbox = mailboxes.find(session, address)
        assert attachments.find(session, address, attachment_id) is None
        headers = session.execute(text("SELECT count(*) FROM sealed WHERE header IS NOT NULL")).scalar_one()
    assert mailbox is not None
    destroyed = found(store, address, digest)
    assert (None, b"open" * 60) == (destroyed.header, destroyed.envelope)
    assert (0, 0) == (headers, mailbox.sealed_bytes)
    cleanup.destroy_deleted(store, NOW)
    swept = found(store, address, digest)
    assert (None, None, b"open" * 60) == (swept.header, swept.payload, swept.envelope)
    assert (0, 0) == (rows(store, "sealed"), usage(store))


def test_destroying_twice_frees_nothing_the_second_time(store: Store, address: bytes) -> None:
    digest = an_entry(store, address, header=bytes(10), payload=bytes(20))
    assert (30, 0) == (destroy(store, address, digest), destroy(store, address, digest, os.urandom(32)))
    assert 1 == rows(store, "deletion_queue")


def test_a_damaged_row_is_dropped_with_its_ciphertext(store: Store, address: bytes) -> None:
    digest, other = an_entry(store, address), an_entry(store, address)
    with store.writing() as session:
        entries.drop_row(session, address, digest)
    with store.reading() as session:
        assert [other] == entries.digests(session, address)
    assert (2, 1) == (rows(store, "sealed"), rows(store, "deletion_queue"))


def test_the_state_of_a_mailbox_is_what_was_recorded_last(store: Store, address: bytes) -> None:
    for since, due in ((DAY, None), (None, DAY), (DAY, DAY)):
        with store.writing() as session:
            entries.set_state(session, address, waiting_since=since, due=due)
        with store.reading() as session:
            mailbox = mailboxes.find(session, address)
        assert mailbox is not None
        assert (mailbox.waiting_since, mailbox.due) == (since, due)


def test_row_ids_do_not_follow_the_order_of_arrival(store: Store, address: bytes) -> None:
    for _ in range(40):
        an_entry(store, address)
    with store.reading() as session:
        ids = session.execute(text("SELECT id FROM entry ORDER BY number")).scalars().all()
    rising = Counter(a < b for a, b in pairwise(ids))
    assert 5 < rising[True] < 35
    assert max(ids) < 2**63


def test_the_encrypted_bytes_of_a_mailbox_are_counted_without_its_files(store: Store, address: bytes) -> None:
    an_entry(store, address, header=bytes(10), payload=bytes(20))
    an_upload(store, address, os.urandom(16))
    with store.reading() as session:
        assert 30 == entries.sealed_bytes(session, address)
        assert 0 == entries.sealed_bytes(session, a_mailbox(store))


def test_the_digests_of_the_whole_store_are_listed_by_mailbox(store: Store, address: bytes) -> None:
    other = a_mailbox(store)
    mine, theirs = {an_entry(store, address) for _ in range(2)}, {an_entry(store, other)}
    with store.reading() as session:
        listed = entries.all_digests(session)
    assert {address: mine, other: theirs} == {at: set(digests) for at, digests in listed.items()}


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
        listed = entries.of_mailboxes(session, [written, silent])
        assert {written: entries.of_mailbox(session, written), silent: []} == listed


@on_sqlite
@pytest.mark.parametrize("value", ["1.5", "'text'", "x'ff'"])
def test_a_version_of_another_type_stops_no_entry(store: Store, address: bytes, value: str) -> None:
    test_a_version_that_the_operator_changed_stops_no_entry(store, address, value)


@pytest.mark.parametrize("value", ["9223372036854775807", "-9223372036854775808"])
def test_a_version_that_the_operator_changed_stops_no_entry(store: Store, address: bytes, value: str) -> None:
    with store.writing() as session:
        session.execute(text(f"UPDATE mailbox SET version = {value}"))  # noqa: S608  # one of the values above
    for number in (1, 2):
        append_if_unchanged(store, address, version_of(store, address), number)
    assert 2 == rows(store, "entry")


@pytest.mark.parametrize(
    "find",
    [
        pytest.param(
            lambda session, entry: entries.find_by_entry_id(session, entry.address, entry.entry_id), id="id"
        ),
        pytest.param(
            lambda session, entry: entries.find_digest(session, entry.address, entry.digest), id="digest"
        ),
        pytest.param(
            lambda session, entry: entries.of_strand(
                session, entry.address, 0, b"", number=1, last=1, known=b"another"
            ),
            id="number",
        ),
    ],
)
@on_sqlite
def test_an_entry_of_a_long_mailbox_is_found_with_the_same_work(
    store: Store,
    address: bytes,
    monkeypatch: pytest.MonkeyPatch,
    find: Callable[[Session, entries.StoredEntry], object],
) -> None:
    """A first sync looks for each entry. If each search read the whole mailbox, a sync would be slow."""
    first = found(store, address, an_entry(store, address, number=1))

    def search() -> None:
        with store.reading() as session:
            assert find(session, first)

    work = []
    for more in (0, 200):
        for number in range(more):
            an_entry(store, address, number=number + 2, durable=False)
        work.append(work_of(store, monkeypatch, search).steps)
    assert work[1] < 1.5 * work[0]
