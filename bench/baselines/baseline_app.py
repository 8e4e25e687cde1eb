"""Baseline app for comparison: Flask views that do the least work for the same task, without encryption."""

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.sansio.multipart import Data, Epilogue, File, MultipartDecoder

CHUNK_BYTES = 1024 * 1024  # the store's chunk of ciphertext
_READ_BYTES = 64 * 1024
_SCHEMA = """
CREATE TABLE note (id INTEGER PRIMARY KEY, text BLOB NOT NULL);
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY, upload INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL
);
CREATE TABLE upload (id INTEGER PRIMARY KEY, size INTEGER NOT NULL);
"""


def create_database(path: Path, page_bytes: int) -> None:
    """Create the empty tables, with the page size of the real store."""
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA page_size={page_bytes}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(_SCHEMA)
    connection.close()


def create_app(path: Path) -> Flask:
    """Build the baseline app around an SQLite file with the settings of the real store."""
    app = Flask(__name__)
    here = threading.local()

    def database() -> sqlite3.Connection:
        if not hasattr(here, "connection"):
            connection = sqlite3.connect(path, isolation_level=None, timeout=30)
            for pragma in ("synchronous=FULL", "secure_delete=ON", "foreign_keys=ON", "temp_store=MEMORY"):
                connection.execute(f"PRAGMA {pragma}")
            here.connection = connection
        found: sqlite3.Connection = here.connection
        return found

    @app.post("/insert")
    def insert() -> str:
        """Insert one row of text."""
        connection = database()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO note VALUES (?, ?)", (secrets.randbits(63), request.form["text"].encode())
        )
        connection.execute("COMMIT")
        return "received"

    @app.post("/parse")
    def parse() -> str:
        """Parse an upload as Flask does by default, and discard it."""
        return str(len(request.files))

    @app.post("/store")
    def store() -> Response:
        """Store an upload in chunks while it arrives.

        As in the real store, chunks are committed with `synchronous=NORMAL`, and the row that refers to them
        with `synchronous=FULL`.
        """
        connection = database()
        upload, size = secrets.randbits(63), 0
        connection.execute("PRAGMA synchronous=NORMAL")
        for number, chunk in enumerate(_chunks()):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT INTO chunk VALUES (?, ?, ?, ?)", (secrets.randbits(63), upload, number, chunk)
            )
            connection.execute("COMMIT")
            size += len(chunk)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO upload VALUES (?, ?)", (upload, size))
        connection.execute("COMMIT")
        return Response(str(size))

    @app.post("/forget")
    def forget() -> str:
        """Empty the tables, so that a long run does not fill the disk."""
        for table in ("note", "chunk", "upload"):
            database().execute(f"DELETE FROM {table}")  # noqa: S608  # our own three names
        database().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return "empty"

    return app


def _chunks() -> Iterator[bytes]:
    decoder = MultipartDecoder(request.mimetype_params["boundary"].encode())
    in_file, waiting = False, bytearray()
    while True:
        event = decoder.next_event()
        if isinstance(event, File):
            in_file = True
        elif isinstance(event, Data) and in_file:
            waiting += event.data
            while len(waiting) >= CHUNK_BYTES:
                yield bytes(waiting[:CHUNK_BYTES])
                del waiting[:CHUNK_BYTES]
        elif isinstance(event, Epilogue):
            break
        elif type(event).__name__ == "NeedData":
            piece = request.stream.read(_READ_BYTES)
            decoder.receive_data(piece or None)
    if waiting:
        yield bytes(waiting)
