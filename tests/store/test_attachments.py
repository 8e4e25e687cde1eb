import os

import pytest

from store import attachments, mailboxes
from store.attachments import Attachment, ChunkWriter
from store.database.engine import Store
from store.database.schema import CHUNK_BYTES
from store.errors import AttachmentMissingError, NoSuchMailboxError, QuotaError
from store.quota import Quota
from tests.store.factories import DAY, NOW, WIDE, a_mailbox, an_entry, an_upload, destroy, rows


def begin(store: Store, address: bytes, attachment_id: bytes, entry_id: bytes = bytes(16)) -> None:
    with store.writing() as session:
        attachments.begin_upload(
            session,
            address=address,
            entry_id=entry_id,
            attachment_id=attachment_id,
            header=b"header",
            half_hour=NOW,
        )


def test_a_file_comes_back_in_its_order_and_whole(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    chunks = [os.urandom(CHUNK_BYTES), os.urandom(CHUNK_BYTES), os.urandom(77)]
    attachment_id = an_upload(store, address, entry_id, chunks, header=b"its header")
    an_entry(store, address, entry_id=entry_id, attachment_ids=[attachment_id])
    with store.reading() as session:
        found = attachments.find(session, address, attachment_id)
    assert found is not None
    assert (b"its header", 3) == (found.header, found.chunks)
    assert chunks == list(attachments.read_chunks(store, address, attachment_id))


def test_a_pending_file_cannot_be_read(store: Store, address: bytes) -> None:
    attachment_id = an_upload(store, address, os.urandom(16))
    with pytest.raises(AttachmentMissingError):
        next(attachments.read_chunks(store, address, attachment_id))


def test_a_file_cannot_be_read_from_another_mailbox(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    attachment_id = an_upload(store, address, entry_id)
    an_entry(store, address, entry_id=entry_id, attachment_ids=[attachment_id])
    with pytest.raises(AttachmentMissingError):
        next(attachments.read_chunks(store, a_mailbox(store), attachment_id))


def test_a_file_removed_while_it_is_read_ends_in_a_refusal(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    attachment_id = an_upload(store, address, entry_id)
    digest = an_entry(store, address, entry_id=entry_id, attachment_ids=[attachment_id])
    reading = attachments.read_chunks(store, address, attachment_id)
    next(reading)
    destroy(store, address, digest)
    with pytest.raises(AttachmentMissingError):
        next(reading)


@pytest.mark.parametrize("number", [0, 2])
def test_a_chunk_out_of_turn_is_refused(store: Store, address: bytes, number: int) -> None:
    attachment_id = os.urandom(16)
    begin(store, address, attachment_id)
    with store.writing() as session:
        attachments.add_chunk(session, address, attachment_id, 0, b"first", is_last=False, quota=WIDE)
    with store.writing() as session, pytest.raises(AttachmentMissingError):
        attachments.add_chunk(session, address, attachment_id, number, b"again", is_last=False, quota=WIDE)


def test_a_finished_file_takes_no_more(store: Store, address: bytes) -> None:
    attachment_id = an_upload(store, address, os.urandom(16), [b"all"])
    with store.writing() as session, pytest.raises(AttachmentMissingError):
        attachments.add_chunk(session, address, attachment_id, 1, b"more", is_last=True, quota=WIDE)


def test_a_chunk_larger_than_a_row_may_be_is_refused(store: Store, address: bytes) -> None:
    attachment_id = os.urandom(16)
    begin(store, address, attachment_id)
    with store.writing() as session, pytest.raises(ValueError, match="CHUNK_BYTES"):
        attachments.add_chunk(
            session, address, attachment_id, 0, bytes(CHUNK_BYTES + 1), is_last=True, quota=WIDE
        )


def test_an_attachment_id_that_is_taken_in_another_mailbox_is_free_here(store: Store, address: bytes) -> None:
    entry_id, other = os.urandom(16), a_mailbox(store)
    attachment_id = an_upload(store, address, entry_id, [b"one"])
    begin(store, other, attachment_id)
    with store.writing() as session:
        attachments.add_chunk(session, other, attachment_id, 0, b"other", is_last=True, quota=WIDE)
        attachments.drop(session, other, attachment_id)
    an_entry(store, address, entry_id=entry_id, attachment_ids=[attachment_id])
    assert [b"one"] == list(attachments.read_chunks(store, address, attachment_id))
    with store.reading() as session:
        assert attachments.find_upload(session, other, attachment_id) is None


def test_an_attachment_that_is_dropped_frees_its_bytes(store: Store, address: bytes) -> None:
    with store.reading() as session:
        before = mailboxes.find(session, address)
    attachment_id = an_upload(store, address, os.urandom(16))
    with store.writing() as session:
        attachments.drop(session, address, attachment_id)
        attachments.drop(session, address, attachment_id)
        assert before == mailboxes.find(session, address)
    assert (0, 3) == (rows(store, "attachment"), rows(store, "deletion_queue"))


def test_no_file_is_begun_without_a_mailbox(store: Store) -> None:
    with pytest.raises(NoSuchMailboxError):
        begin(store, os.urandom(20), os.urandom(16))


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("piece", [65_552, 5_000_000])
def test_a_file_is_written_in_as_few_chunks_as_possible(
    store: Store, address: bytes, size: int, piece: int
) -> None:
    attachment_id, entry_id, payload = os.urandom(16), os.urandom(16), os.urandom(size)
    with store.writing() as session:
        attachments.begin_upload(
            session,
            address=address,
            entry_id=entry_id,
            attachment_id=attachment_id,
            header=b"header",
            half_hour=NOW,
        )
    writer = ChunkWriter(store, address, attachment_id, WIDE)
    for start in range(0, size, piece):
        writer.add(payload[start : start + piece])
    writer.finish()
    an_entry(store, address, entry_id=entry_id, attachment_ids=[attachment_id])
    chunks = list(attachments.read_chunks(store, address, attachment_id))
    assert payload == b"".join(chunks)
    assert max(1, -(-size // CHUNK_BYTES)) == len(chunks)


def test_a_file_that_finds_no_room_for_its_end_is_not_whole(store: Store, address: bytes) -> None:
    attachment_id = os.urandom(16)
    begin(store, address, attachment_id)
    writer = ChunkWriter(store, address, attachment_id, Quota(CHUNK_BYTES + 10, 10**12, 0))
    writer.add(bytes(CHUNK_BYTES + 5))
    with pytest.raises(QuotaError):
        writer.finish()
    assert (0, 1) == (rows(store, "attachment WHERE is_whole"), rows(store, "chunk"))


def test_an_upload_that_was_abandoned_refuses_more_chunks(store: Store, address: bytes) -> None:
    attachment_id, entry_id = os.urandom(16), os.urandom(16)
    begin(store, address, attachment_id, entry_id)
    writer = ChunkWriter(store, address, attachment_id, WIDE)
    with store.writing() as session:
        attachments.abandon_uploads(session, address, entry_id)
    with pytest.raises(AttachmentMissingError):
        writer.finish()


def test_an_upload_into_a_mailbox_that_ended_says_so(store: Store, address: bytes) -> None:
    attachment_id = os.urandom(16)
    begin(store, address, attachment_id)
    writer = ChunkWriter(store, address, attachment_id, WIDE)
    writer.add(bytes(10))
    with store.writing() as session:
        mailboxes.end_for_good(session, address, proof=b"ended", day=DAY)
    with pytest.raises(NoSuchMailboxError):
        writer.finish()


def test_an_abandoned_upload_frees_its_bytes_and_adopted_files_stay(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    kept = an_upload(store, address, entry_id)
    an_entry(store, address, entry_id=entry_id, attachment_ids=[kept])
    with store.reading() as session:
        before = mailboxes.find(session, address)
    an_upload(store, address, entry_id)
    with store.writing() as session:
        attachments.abandon_uploads(session, address, entry_id)
    with store.reading() as session:
        assert before == mailboxes.find(session, address)
        assert attachments.find(session, address, kept) is not None
    assert (1, 3) == (rows(store, "attachment"), rows(store, "deletion_queue"))


def test_abandoning_one_attempt_leaves_the_other_attempt_pending(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    given_up, under_way = (an_upload(store, address, entry_id) for _ in range(2))
    with store.writing() as session:
        attachments.abandon_uploads(session, address, entry_id, attachment_ids=[given_up])
    an_entry(store, address, entry_id=entry_id, attachment_ids=[under_way])
    with store.reading() as session:
        assert attachments.find(session, address, given_up) is None
        assert attachments.find(session, address, under_way) is not None


def test_the_chunks_of_an_upload_are_reported_until_an_entry_adopts_it(store: Store, address: bytes) -> None:
    entry_id, cut_off = os.urandom(16), os.urandom(16)
    with store.writing() as session:
        attachments.begin_upload(
            session,
            address=address,
            entry_id=entry_id,
            attachment_id=cut_off,
            header=b"h",
            half_hour=NOW,
            peer=b"strand-1",
        )
    for number in range(3):
        with store.writing() as session:
            attachments.add_chunk(session, address, cut_off, number, b"chunk", is_last=False, quota=WIDE)
    whole = an_upload(store, address, entry_id)
    with store.reading() as session:
        assert [(address, cut_off, 3)] == attachments.uploads_from_peer(session, b"strand-1")
        assert [] == attachments.uploads_from_peer(session, b"strand-2")
        assert (entry_id, 3, False) == attachments.find_upload(session, address, cut_off)
        assert (entry_id, 2, True) == attachments.find_upload(session, address, whole)
        assert attachments.find_upload(session, address, os.urandom(16)) is None
        assert [] == attachments.of_entry(session, address, entry_id)
    an_entry(store, address, entry_id=entry_id, attachment_ids=[whole])
    with store.reading() as session:
        assert attachments.find_upload(session, address, whole) is None
    with store.writing() as session:
        attachments.add_chunk(session, address, cut_off, 3, b"chunk", is_last=True, quota=WIDE)
        assert [(address, cut_off, 4)] == attachments.uploads_from_peer(
            session, b"strand-1"
        )  # whole, and its entry is to come


def test_the_files_of_an_entry_are_listed_by_their_ids(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    ids = [an_upload(store, address, entry_id, header=b"its header") for _ in range(3)]
    an_entry(store, address, entry_id=entry_id, attachment_ids=ids)
    with store.reading() as session:
        found = attachments.of_entry(session, address, entry_id)
        assert [Attachment(entry_id, one, b"its header", 2) for one in sorted(ids)] == found
        assert [] == attachments.of_entry(session, address, os.urandom(16))
        assert [] == attachments.of_entry(session, a_mailbox(store), entry_id)


def test_one_chunk_of_an_adopted_file_is_read_by_its_number(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    attachment_id = an_upload(store, address, entry_id, [b"first", b"second"])
    with store.reading() as session:
        assert attachments.read_chunk(session, address, attachment_id, 0) is None  # pending
    an_entry(store, address, entry_id=entry_id, attachment_ids=[attachment_id])
    with store.reading() as session:
        found = [attachments.read_chunk(session, address, attachment_id, number) for number in range(3)]
        assert attachments.read_chunk(session, os.urandom(20), attachment_id, 0) is None
    assert [b"first", b"second", None] == found
