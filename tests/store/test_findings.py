import os
from datetime import timedelta

from store import findings
from store.engine import Store
from store.findings import Finding, FindingKind
from tests.store.factories import DAY, rows


def test_what_was_found_is_kept_once_with_the_day_it_was_found_on(store: Store) -> None:
    address, entry_id = os.urandom(20), os.urandom(16)
    with store.writing() as session:
        days = (DAY, DAY + timedelta(1))
        known = [findings.note(session, address, entry_id, FindingKind.DAMAGED, day) for day in days]
        assert findings.note(session, address, entry_id, FindingKind.FORK, DAY)
        assert findings.note(session, address, b"", FindingKind.COME_BACK, DAY)
        assert [
            Finding(address, b"", FindingKind.COME_BACK, DAY),
            Finding(address, entry_id, FindingKind.DAMAGED, DAY),
            Finding(address, entry_id, FindingKind.FORK, DAY),
        ] == findings.of_mailbox(session, address)
    assert [True, False] == known


def test_all_findings_are_listed_by_mailbox_and_in_no_order_of_arrival(store: Store) -> None:
    found = [os.urandom(20) for _ in range(9)]
    with store.writing() as session:
        for address in found:
            findings.note(session, address, b"", FindingKind.COME_BACK, DAY)
        assert sorted(found) == [each.address for each in findings.all_findings(session)]


def test_a_finding_goes_when_it_does_not_hold_any_more_or_was_seen(store: Store) -> None:
    seen, other, entry_id = os.urandom(20), os.urandom(20), os.urandom(16)
    with store.writing() as session:
        for address in (seen, other):
            for kind in FindingKind:
                findings.note(session, address, entry_id, kind, DAY)
        findings.forget(session, other, entry_id, FindingKind.DAMAGED)
        findings.forget(session, other, entry_id, FindingKind.DAMAGED)  # twice is once
        findings.forget_mailbox(session, seen)
        assert [] == findings.of_mailbox(session, seen)
        left = [FindingKind.COME_BACK, FindingKind.CROSSED, FindingKind.FORK]
        assert left == [each.kind for each in findings.of_mailbox(session, other)]
    assert 3 == rows(store, "finding")
