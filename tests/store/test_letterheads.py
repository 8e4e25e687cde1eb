from store import letterheads
from store.database.engine import Store


def test_a_new_store_has_no_letterhead(store: Store) -> None:
    with store.reading() as session:
        assert letterheads.latest(session) is None


def test_the_latest_letterhead_has_the_highest_serial_not_the_last_arrival(store: Store) -> None:
    with store.writing() as session:
        letterheads.add(session, 2, b"second", b"signature 2")
        letterheads.add(session, 1, b"first", b"signature 1")
        assert (2, b"second", b"signature 2") == letterheads.latest(session)


def test_a_letterhead_of_a_serial_stays_as_it_is(store: Store) -> None:
    with store.writing() as session:
        letterheads.add(session, 1, b"true", b"signature")
        letterheads.add(session, 1, b"other", b"signature")
        assert (1, b"true", b"signature") == letterheads.latest(session)


def test_a_letterhead_is_found_by_its_serial(store: Store) -> None:
    with store.writing() as session:
        letterheads.add(session, 1, b"first", b"signature 1")
        letterheads.add(session, 2, b"second", b"signature 2")
        assert (1, b"first", b"signature 1") == letterheads.find(session, 1)
        assert letterheads.find(session, 3) is None


def test_a_letterhead_that_no_one_else_has_can_be_replaced(store: Store) -> None:
    with store.writing() as session:
        letterheads.add(session, 1, b"first", b"signature 1")
        for body in (b"second", b"another"):
            letterheads.put(session, 2, body, b"signature 2")
        assert (2, b"another", b"signature 2") == letterheads.latest(session)
        assert (1, b"first", b"signature 1") == letterheads.find(session, 1)
