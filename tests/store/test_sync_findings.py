import os
from datetime import timedelta

from store import sync_findings
from store.database.engine import Store
from store.sync_findings import FindingKind, SyncFinding
from tests.store.factories import DAY, rows


def test_a_finding_is_stored_once_with_its_first_day(store: Store) -> None:
    address, entry_id = os.urandom(20), os.urandom(16)
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
    seen, other, entry_id = os.urandom(20), os.urandom(20), os.urandom(16)
    with store.writing() as session:
        for address in (seen, other):
            for kind in FindingKind:
                sync_findings.add(session, address, entry_id, kind, DAY)
        sync_findings.drop(session, other, entry_id, FindingKind.DAMAGED)
        sync_findings.drop(session, other, entry_id, FindingKind.DAMAGED)  # twice is once
        sync_findings.drop_findings(session, seen)
        assert [] == sync_findings.of_mailbox(session, seen)
        left = [FindingKind.COME_BACK, FindingKind.CROSSED, FindingKind.FORK, FindingKind.RESTORED]
        assert left == [each.kind for each in sync_findings.of_mailbox(session, other)]
    assert 4 == rows(store, "sync_finding")
