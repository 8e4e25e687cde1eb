from store import public_files
from store.database.engine import Store


def test_a_published_file_is_the_newest_of_its_name(store: Store) -> None:
    with store.writing() as session:
        public_files.put(session, "report-2026.pdf", b"first")
        public_files.put(session, "report-2025.html", b"older")
        public_files.put(session, "report-2026.pdf", b"mended")
    with store.reading() as session:
        assert ["report-2025.html", "report-2026.pdf"] == public_files.names(session)
        assert b"mended" == public_files.find(session, "report-2026.pdf")
        assert public_files.find(session, "report-2027.pdf") is None
