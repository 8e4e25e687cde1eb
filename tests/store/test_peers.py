import os

import pytest

from store import outbox, peers
from store.database.engine import Store
from store.errors import PeerMissingError
from store.peers import Peer
from tests.store.factories import DAY, SERVER, STRAND, a_peer, a_record, an_entry, deliver, noted, rows

OTHER = b"strand-2"


def peer_of(store: Store, name: bytes = STRAND) -> Peer:
    with store.reading() as session:
        found = peers.find(session, name)
    assert found is not None
    return found


def test_a_store_has_no_peers_until_they_are_added(store: Store) -> None:
    with store.reading() as session:
        assert [] == peers.all_peers(session)
        assert peers.find(session, STRAND) is None
    for name in (OTHER, SERVER, STRAND):
        a_peer(store, name)
    with store.reading() as session:
        assert [SERVER, STRAND, OTHER] == [peer.name for peer in peers.all_peers(session)]
    assert Peer(STRAND, b"card", 0, 0, 0, None, None, 0) == peer_of(store)


def test_a_peer_that_is_added_again_only_gets_a_new_card(store: Store, address: bytes) -> None:
    a_peer(store)
    an_entry(store, address)
    with store.writing() as session:
        peers.reserve_serial(session, STRAND)
        peers.mark_applied(session, STRAND, 7, DAY)
    with store.writing() as session:
        peers.add(session, STRAND, b"another card")
    assert Peer(STRAND, b"another card", 1, 0, 7, DAY, None, 0) == peer_of(store)
    assert 1 == len(noted(store))


def test_serials_count_separately_in_each_direction(store: Store) -> None:
    a_peer(store)
    a_peer(store, OTHER)
    with store.writing() as session:
        assert [1, 2, 3] == [peers.reserve_serial(session, STRAND) for _ in range(3)]
        outbox.acknowledge_pouch(session, STRAND, 2)
        outbox.acknowledge_pouch(session, STRAND, 1)  # an older pouch that comes late
        peers.mark_applied(session, STRAND, 9, DAY)
    assert Peer(STRAND, b"card", 3, 2, 9, DAY, None, 0) == peer_of(store)
    assert Peer(OTHER, b"card", 0, 0, 0, None, None, 0) == peer_of(store, OTHER)


def test_a_peer_that_starts_again_is_sent_new_serials(store: Store) -> None:
    a_peer(store)
    assert 1 == deliver(store)
    with store.writing() as session:
        peers.mark_rollback(session, STRAND, DAY)
        peers.reset_acknowledged(session, STRAND)
        assert 2 == peers.reserve_serial(session, STRAND)
    assert Peer(STRAND, b"card", 2, 0, 0, None, DAY, 0) == peer_of(store)
    with store.writing() as session:
        peers.clear_rollback(session, STRAND)
    assert peer_of(store).rollback_day is None


def test_a_restored_store_does_not_use_a_serial_twice(store: Store) -> None:
    a_peer(store)
    with store.writing() as session:
        assert [1, 2] == [peers.reserve_serial(session, STRAND) for _ in range(2)]
        assert 9 == peers.reserve_serial(session, STRAND, at_least=9)
        assert 10 == peers.reserve_serial(session, STRAND, at_least=3)
        peers.advance_serial(session, STRAND, 20)
        assert 21 == peers.reserve_serial(session, STRAND)


def test_a_store_of_a_backup_says_that_it_applied_no_pouch(store: Store) -> None:
    for name in (STRAND, OTHER):
        a_peer(store, name)
        with store.writing() as session:
            peers.mark_applied(session, name, 7, DAY)
    with store.writing() as session:
        peers.forget_applied(session)
    assert [Peer(name, b"card", 0, 0, 0, DAY, None, 0) for name in (STRAND, OTHER)] == [
        peer_of(store, name) for name in (STRAND, OTHER)
    ]


def test_the_letterhead_that_both_have_is_remembered_for_each_peer(store: Store) -> None:
    a_peer(store)
    a_peer(store, OTHER)
    with store.writing() as session:
        peers.set_shared_letterhead(session, STRAND, 4)
    assert (4, 0) == (peer_of(store).letterhead_serial, peer_of(store, OTHER).letterhead_serial)


def test_whether_a_peer_has_more_for_us_is_remembered(store: Store) -> None:
    a_peer(store)
    known = []
    for is_so in (True, False):
        with store.writing() as session:
            peers.set_has_more(session, STRAND, is_so=is_so)
        known.append(peer_of(store).has_more)
    assert [True, False] == known


def test_no_serial_is_reserved_for_a_missing_peer(store: Store) -> None:
    with pytest.raises(PeerMissingError), store.writing() as session:
        peers.reserve_serial(session, STRAND)


def test_a_peer_that_is_removed_leaves_no_outbox(store: Store, address: bytes) -> None:
    a_peer(store)
    a_peer(store, OTHER)
    an_entry(store, address)
    with store.writing() as session:
        peers.remove_peer(session, STRAND)
        peers.remove_peer(session, STRAND)  # twice is once
    with store.reading() as session:
        assert [OTHER] == [peer.name for peer in peers.all_peers(session)]
    assert [] == noted(store, STRAND)
    with store.writing() as session:
        peers.remove_peer(session, OTHER)
    assert (0, 0) == (rows(store, "peer"), rows(store, "outbox"))
    a_record(store, os.urandom(20))
    assert 0 == rows(store, "outbox")


def test_the_card_of_a_peer_is_not_in_its_repr(store: Store) -> None:
    with store.writing() as session:
        peers.add(session, STRAND, b"the keys of it")
    assert "the keys of it" not in repr(peer_of(store))
