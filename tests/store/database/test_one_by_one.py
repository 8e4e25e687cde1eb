"""A fault of one mailbox ends only the work on this mailbox, and a fault of the whole store ends all work."""

import pytest

from store.database.one_by_one import work_on_each
from store.errors import NoSuchMailboxError, StoreFullError


def work(address: bytes) -> bytes:
    """Fail as the name of the mailbox says."""
    if address == b"full":
        raise StoreFullError("the disk is full")
    if address == b"gone":
        raise NoSuchMailboxError("there is no such mailbox")
    if address == b"deep":
        raise RecursionError
    return address.upper()


def test_only_the_faulty_mailbox_is_left_out() -> None:
    done, failed = work_on_each([b"a", b"deep", b"gone", b"b"], work, NoSuchMailboxError)

    assert (done, failed) == ([b"A", b"B"], {b"deep"})


def test_a_full_disk_ends_the_work() -> None:
    with pytest.raises(StoreFullError):
        work_on_each([b"a", b"full", b"b"], work)
