import os
from datetime import date, timedelta

import pytest

from store import attachments, cleanup, entries, mailbox_tallies, mailboxes, records
from store.database.engine import Store
from store.errors import MailboxEndedError, NoSuchMailboxError
from store.mailboxes import EndedMailbox, InboxCounts
from tests.store.factories import (
    DAY,
    NOW,
    a_mailbox,
    a_record,
    add,
    all_tallies,
    an_entry,
    an_upload,
    destroy,
    files_of,
    put_tallies,
    rows,
    usage,
)


def in_list(store: Store, state: str, offset: int = 0, limit: int = 10) -> list[bytes]:
    with store.reading() as session:
        return [mailbox.address for mailbox in mailboxes.inbox_page(session, state, offset, limit)]


def test_a_mailbox_opens_once(store: Store) -> None:
    keys = {"address": os.urandom(20), "recipient": os.urandom(1216), "verify_key": os.urandom(32)}
    with store.writing() as session:
        opened = [mailboxes.create_mailbox(session, **keys, opened_day=DAY) for _ in range(2)]
        found = mailboxes.find(session, keys["address"])
    assert [True, False] == opened
    assert found is not None
    assert keys == {name: getattr(found, name) for name in keys}
    assert (DAY, 0, 0, None, None, None) == (
        found.opened_day,
        found.sealed_bytes,
        found.version,
        found.waiting_since,
        found.due,
        found.last_day,
    )


def test_an_unknown_address_finds_nothing(store: Store) -> None:
    with store.reading() as session:
        assert mailboxes.find(session, os.urandom(20)) is None


def test_the_newest_day_is_that_of_a_new_mailbox_or_of_its_last_entry(store: Store) -> None:
    with store.reading() as session:
        assert date.min == mailboxes.newest_day(session)
    address = a_mailbox(store, day=DAY)
    with store.reading() as session:
        assert DAY == mailboxes.newest_day(session)
    an_entry(store, address, day=DAY + timedelta(days=3))
    with store.reading() as session:
        assert DAY + timedelta(days=3) == mailboxes.newest_day(session)


def test_addresses_are_listed_sorted(store: Store) -> None:
    made = [a_mailbox(store) for _ in range(5)]
    with store.reading() as session:
        assert sorted(made) == mailboxes.all_addresses(session)


def test_of_many_addresses_those_that_are_there_are_found(store: Store) -> None:
    made = [a_mailbox(store) for _ in range(3)]
    with store.reading() as session:
        found = mailboxes.find_all(session, [made[0], os.urandom(20), made[2]])
        one = mailboxes.find(session, made[0])
    assert {made[0], made[2]} == {mailbox.address for mailbox in found}
    assert one in found


def test_the_mailbox_that_waits_longest_comes_first(store: Store) -> None:
    late, early, silent, answered = (a_mailbox(store) for _ in range(4))
    an_entry(store, late, day=DAY)
    an_entry(store, early, day=DAY - timedelta(3))
    an_entry(store, answered, day=DAY - timedelta(5))
    an_entry(store, answered, author=entries.DESK, strand=b"strand-1")
    assert [early, late] == in_list(store, "waiting")
    assert [late] == in_list(store, "waiting", offset=1, limit=1)
    assert [answered] == in_list(store, "answered")
    assert silent not in in_list(store, "answered")
    with store.reading() as session:
        assert InboxCounts(waiting=2, answered=1) == mailboxes.inbox_counts(session)


def test_the_mailbox_that_was_answered_last_comes_first(store: Store) -> None:
    first, second = (a_mailbox(store) for _ in range(2))
    for address, day in ((first, DAY - timedelta(2)), (second, DAY)):
        an_entry(store, address, author=entries.DESK, strand=b"strand-1", day=day)
    assert [second, first] == in_list(store, "answered")


def test_a_mailbox_names_the_author_and_the_day_of_its_last_entry(store: Store, address: bytes) -> None:
    an_entry(store, address, day=DAY - timedelta(4))
    an_entry(store, address, day=DAY)
    with store.reading() as session:
        found = mailboxes.find(session, address)
    assert found is not None
    assert found.last_day == DAY


def test_a_read_receipt_neither_asks_nor_answers(store: Store, address: bytes) -> None:
    an_entry(store, address, is_words=False)
    assert [] == in_list(store, "waiting")
    an_entry(store, address)
    an_entry(store, address, author=entries.DESK, strand=b"strand-1", is_words=False)
    assert [address] == in_list(store, "waiting")


def test_an_answer_that_crossed_a_question_does_not_answer_it(store: Store, address: bytes) -> None:
    an_entry(store, address, day=DAY - timedelta(4))
    with store.writing() as session:
        add(session, address, author=entries.DESK, strand=b"strand-1")
        entries.set_state(session, address, waiting_since=DAY - timedelta(4), due=None)
        found = mailboxes.find(session, address)
    assert found is not None
    assert (DAY - timedelta(4), DAY) == (found.waiting_since, found.last_day)
    assert [address] == in_list(store, "waiting")


def test_closed_mailboxes_are_listed_on_their_day_and_not_before(store: Store) -> None:
    late, today, tomorrow = sorted(a_mailbox(store) for _ in range(3))
    a_mailbox(store)
    for address, days in ((tomorrow, 1), (today, 0), (late, -30)):
        due = DAY + timedelta(days)
        an_entry(store, address, author=entries.DESK, strand=b"strand-1", due=due)
    with store.reading() as session:
        assert [late, today] == mailboxes.due_by(session, DAY)


def test_an_unknown_list_is_refused(store: Store) -> None:
    with store.reading() as session, pytest.raises(ValueError, match="lost"):
        mailboxes.inbox_page(session, "lost", 0, 10)


def test_a_mailbox_counts_its_encrypted_bytes_also_pending_ones(store: Store, address: bytes) -> None:
    an_entry(store, address, header=bytes(10), payload=bytes(100))
    an_upload(store, address, os.urandom(16), [bytes(1000)], header=bytes(20))
    with store.reading() as session:
        found = mailboxes.find(session, address)
    assert found is not None
    assert 1130 == found.sealed_bytes == usage(store)


def test_an_ended_mailbox_leaves_one_signed_line_and_nothing_else(store: Store, address: bytes) -> None:
    other = a_mailbox(store)
    an_entry(store, other)
    destroy(store, address, an_entry(store, address))
    kept, canary = os.urandom(16), os.urandom(24)
    adopted = an_upload(store, address, kept, [canary * 1000], header=canary * 30)
    an_entry(store, address, entry_id=kept, attachment_ids=[adopted], header=canary * 9, payload=canary * 200)
    an_upload(store, address, os.urandom(16), [canary * 1000], header=canary * 30)
    with store.writing() as session:
        mailbox = mailboxes.find(session, address)
        mailboxes.end_for_good(session, address, proof=b"ended", day=DAY)
    with store.reading() as session:
        assert entries.of_mailbox(session, address) == []
        assert mailboxes.find(session, address) is None
        assert attachments.find(session, address, adopted) is None
        ended = mailboxes.ended_mailboxes(session)
    assert mailbox is not None
    assert [EndedMailbox(address, mailbox.recipient, mailbox.verify_key, b"ended", DAY)] == ended
    cleanup.destroy_deleted(store, NOW)
    assert canary not in files_of(store)
    left = {name: rows(store, name) for name in ("mailbox", "entry", "sealed", "attachment", "chunk")}
    assert {"mailbox": 1, "entry": 1, "sealed": 1, "attachment": 0, "chunk": 0} == left
    with store.writing() as session:
        mailboxes.drop_ended(session, address, [])
        assert mailboxes.ended_mailboxes(session) == []
    cleanup.rewrite_store(store)
    assert address not in files_of(store)


def test_a_purged_mailbox_leaves_the_proof_and_anonymous_tallies_and_nothing_else(
    store: Store, address: bytes
) -> None:
    other, kept, canary, tally = a_mailbox(store), os.urandom(16), os.urandom(24), os.urandom(24)
    a_record(store, other)
    put_tallies(store, other, [bytes(1200)])
    for kind in ("casefile", "draft"):
        a_record(store, address, canary * 200, kind=kind)
    adopted = an_upload(store, address, kept, [canary * 1000], header=canary * 30)
    an_entry(store, address, entry_id=kept, attachment_ids=[adopted], header=canary * 9, payload=canary * 200)
    put_tallies(store, address, [tally * 50, tally * 49 + bytes(24)])
    with store.reading() as session:
        mailbox = mailboxes.find(session, address)
    with store.writing() as session:
        mailboxes.purge_mailbox(session, address, proof=b"the proof", day=DAY)
    with store.reading() as session:
        assert mailboxes.find(session, address) is None
        assert mailbox_tallies.find(session, address) == ()
        assert records.find(session, "casefile", address) is None
        assert records.find(session, "casefile", other) is not None
        assert mailbox_tallies.find(session, other) == (bytes(1200),)
        assert {tally * 50, tally * 49 + bytes(24)} == set(all_tallies(session))
        ended = mailboxes.ended_mailboxes(session)
    assert mailbox is not None
    assert [EndedMailbox(address, mailbox.recipient, mailbox.verify_key, b"the proof", DAY)] == ended
    cleanup.destroy_deleted(store, NOW)
    assert canary not in files_of(store)
    assert 4 == rows(store, "sealed")  # two tallies, and what is the other's
    with store.writing() as session:
        mailboxes.drop_ended(session, address, [])
    cleanup.rewrite_store(store)
    assert address not in files_of(store)


def test_tallies_of_different_sizes_purge_nothing(store: Store, address: bytes) -> None:
    an_entry(store, address)
    put_tallies(store, address, [b"one", b"other"])
    with pytest.raises(ValueError, match="size"), store.writing() as session:
        mailboxes.purge_mailbox(session, address, proof=b"proof", day=DAY)
    assert (1, 0) == (rows(store, "entry"), rows(store, "ended_mailbox"))


def test_only_mailboxes_in_which_nothing_was_ever_written_are_empty(store: Store) -> None:
    old = DAY - timedelta(400)
    empty, marked, wrote, deleted, uploads, answered = (a_mailbox(store, old) for _ in range(6))
    a_mailbox(store, DAY)
    an_entry(store, marked, is_words=False)
    an_entry(store, wrote)
    destroy(store, deleted, an_entry(store, deleted))
    an_upload(store, uploads, os.urandom(16))
    an_entry(store, answered, author=entries.DESK, strand=b"strand-1")
    with store.reading() as session:
        assert [empty] == mailboxes.empty_mailboxes(session, DAY)
        assert [] == mailboxes.empty_mailboxes(session, old)
    with store.writing() as session:
        dropped = [
            mailboxes.drop_empty(session, address)
            for address in (empty, marked, wrote, deleted, uploads, answered, os.urandom(20))
        ]
    assert [True, *[False] * 6] == dropped
    assert 6 == rows(store, "mailbox")
    assert 0 == rows(store, "ended_mailbox")


def test_an_ended_mailbox_does_not_open_again_before_the_desk_has_seen_it(
    store: Store, address: bytes
) -> None:
    keys = {"address": address, "recipient": os.urandom(1216), "verify_key": os.urandom(32)}
    with store.writing() as session:
        mailboxes.end_for_good(session, address, proof=b"ended", day=DAY)
    with store.writing() as session, pytest.raises(MailboxEndedError):
        mailboxes.create_mailbox(session, **keys, opened_day=DAY)


def test_a_mailbox_that_does_not_exist_cannot_end(store: Store) -> None:
    with store.writing() as session, pytest.raises(NoSuchMailboxError):
        mailboxes.end_for_good(session, os.urandom(20), proof=b"ended", day=DAY)


def test_no_part_of_a_mailbox_is_in_its_repr(store: Store, address: bytes) -> None:
    with store.reading() as session:
        found = mailboxes.find(session, address)
    assert found is not None
    assert repr(found.recipient) not in repr(found)


def test_a_mailbox_ends_when_a_peer_reports_its_end(store: Store, address: bytes) -> None:
    an_entry(store, address)
    put_tallies(store, address)
    unknown = os.urandom(20)
    with store.writing() as session:
        for ended in (address, unknown):
            for proof in (b"ended", b"ended again"):
                mailboxes.apply_end_from_peer(
                    session, address=ended, recipient=b"r", verify_key=b"v", proof=proof, day=DAY
                )
        lines = [mailboxes.find_ended(session, ended) for ended in (address, unknown, os.urandom(20))]
        assert mailboxes.find(session, address) is None
    assert [
        EndedMailbox(address, b"r", b"v", b"ended", DAY),
        EndedMailbox(unknown, b"r", b"v", b"ended", DAY),
        None,
    ] == lines
    assert (0, 0, 0) == tuple(rows(store, table) for table in ("mailbox", "entry", "mailbox_tally"))
