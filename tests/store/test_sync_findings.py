import os
from datetime import timedelta

import pytest

from store import mailboxes, sync_findings
from store.database.engine import Store
from store.sync_findings import FindingKind, SyncFinding
from tests.proofs.damage.damages import VALUES, Damage, write
from tests.store.factories import DAY, on_sqlite, rows


def a_mailbox_here(store: Store) -> bytes:
    address = os.urandom(20)
    with store.writing() as session:
        mailboxes.create_mailbox(session, address=address, recipient=b"r", verify_key=b"k", opened_day=DAY)
    return address


def test_a_flood_of_reports_about_unknown_mailboxes_is_one_finding(store: Store) -> None:
    """Attack: the operator adds 100,000 false mailboxes, and each of them becomes a row of the replica."""
    kinds = (FindingKind.DAMAGED, FindingKind.FORGED_RECORD)
    with store.writing() as session:
        for kind in kinds:
            new = [sync_findings.add(session, os.urandom(20), os.urandom(32), kind, DAY) for _ in range(50)]
            assert new == [True] + [False] * 49
        found = [SyncFinding(sync_findings.NO_MAILBOX, b"", kind, DAY) for kind in kinds]
        assert found == sync_findings.all_findings(session)


def test_a_flood_of_reports_about_one_mailbox_names_ten_entries(store: Store) -> None:
    address = a_mailbox_here(store)
    with store.writing() as session:
        for _ in range(50):
            sync_findings.add(session, address, os.urandom(32), FindingKind.DAMAGED, DAY)
        found = sync_findings.of_mailbox(session, address)
    assert [bool(each.digest) for each in found] == [False] + [True] * 10


def test_a_mailbox_that_ended_here_keeps_its_own_findings(store: Store) -> None:
    address = a_mailbox_here(store)
    with store.writing() as session:
        mailboxes.end_for_good(session, address, proof=b"p", day=DAY)
        sync_findings.add(session, address, b"", FindingKind.DAMAGED, DAY)
        assert [address] == [each.address for each in sync_findings.all_findings(session)]


def test_only_what_the_pages_show_is_unseen(store: Store) -> None:
    address = a_mailbox_here(store)
    with store.writing() as session:
        assert not sync_findings.has_unseen(session)
        sync_findings.add(session, address, b"", FindingKind.CROSSED, DAY)
        assert not sync_findings.has_unseen(session)
        sync_findings.add(session, address, b"e" * 32, FindingKind.CROSSED, DAY)
        assert sync_findings.has_unseen(session)


def test_a_finding_is_stored_once_with_its_first_day(store: Store) -> None:
    address, entry_id = a_mailbox_here(store), os.urandom(16)
    with store.writing() as session:
        days = (DAY, DAY + timedelta(1))
        known = [sync_findings.add(session, address, entry_id, FindingKind.DAMAGED, day) for day in days]
        assert sync_findings.add(session, address, entry_id, FindingKind.FORK, DAY)
        assert sync_findings.add(session, address, b"", FindingKind.COME_BACK, DAY)
        assert [
            SyncFinding(address, b"", FindingKind.COME_BACK, DAY),
            SyncFinding(address, entry_id, FindingKind.DAMAGED, DAY),
            SyncFinding(address, entry_id, FindingKind.FORK, DAY),
        ] == sync_findings.of_mailbox(session, address)
    assert [True, False] == known


def test_all_findings_are_listed_by_mailbox_and_in_no_order_of_arrival(store: Store) -> None:
    found = [os.urandom(20) for _ in range(9)]
    with store.writing() as session:
        for address in found:
            sync_findings.add(session, address, b"", FindingKind.COME_BACK, DAY)
        assert sorted(found) == [each.address for each in sync_findings.all_findings(session)]


def test_a_finding_is_dropped_when_it_is_no_longer_true_or_was_seen(store: Store) -> None:
    seen, other, entry_id = a_mailbox_here(store), a_mailbox_here(store), os.urandom(16)
    with store.writing() as session:
        for address in (seen, other):
            for kind in FindingKind:
                sync_findings.add(session, address, entry_id, kind, DAY)
        sync_findings.drop(session, other, entry_id, FindingKind.DAMAGED)
        sync_findings.drop(session, other, entry_id, FindingKind.DAMAGED)  # twice is once
        sync_findings.drop_findings(session, seen)
        assert [] == sync_findings.of_mailbox(session, seen)
        left = sorted(set(FindingKind) - {FindingKind.DAMAGED})
        assert left == [each.kind for each in sync_findings.of_mailbox(session, other)]
    assert len(left) == rows(store, "sync_finding")


@on_sqlite
@pytest.mark.parametrize("kind", VALUES)
def test_a_finding_whose_kind_is_damaged_stays_until_the_adviser_has_seen_it(store: Store, kind: str) -> None:
    address = a_mailbox_here(store)
    with store.writing() as session:
        sync_findings.add(session, address, b"", FindingKind.DAMAGED, DAY)
    store.close()
    assert write(store.path, Damage("sync_finding", "kind", kind, "sync_finding"), {"a": address})

    with store.writing() as session:
        assert [FindingKind.OTHER] == [each.kind for each in sync_findings.all_findings(session)]
        assert sync_findings.has_unseen(session)
        sync_findings.drop_findings(session, address)
        assert not sync_findings.has_unseen(session)
