from store import letterheads
from store.engine import Store


def test_a_new_store_has_no_letterhead(store: Store) -> None:
    with store.reading() as session:
        assert letterheads.latest(session) is None


def test_the_newest_serial_counts_whatever_came_last(store: Store) -> None:
    with store.writing() as session:
        letterheads.publish(session, 2, b"second", b"signature 2")
        letterheads.publish(session, 1, b"first", b"signature 1")
        assert (2, b"second", b"signature 2") == letterheads.latest(session)


def test_a_letterhead_of_a_serial_stays_as_it_is(store: Store) -> None:
    with store.writing() as session:
        letterheads.publish(session, 1, b"true", b"signature")
        letterheads.publish(session, 1, b"other", b"signature")
        assert (1, b"true", b"signature") == letterheads.latest(session)
