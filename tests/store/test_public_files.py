from store import public_files
from store.database.engine import Store
from tests.store.factories import rows


def test_a_published_file_is_the_newest_of_its_name(store: Store) -> None:
    with store.writing() as session:
        public_files.put(session, "report-2026.pdf", b"first")
        public_files.put(session, "report-2025.html", b"older")
        public_files.put(session, "report-2026.pdf", b"mended")
    assert 2 == rows(store, "public_file")
    with store.reading() as session:
        assert b"older" == public_files.find(session, "report-2025.html")
        assert b"mended" == public_files.find(session, "report-2026.pdf")
        assert public_files.find(session, "report-2027.pdf") is None
