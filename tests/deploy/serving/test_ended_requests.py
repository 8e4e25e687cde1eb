"""Memory of ended requests: nothing that a visitor typed stays, however odd the request is."""

import gc
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidChunkSize
from gunicorn.http.parser import RequestParser

from deploy.serving import gunicorn_worker
from deploy.serving.slow_clients import Places

MALFORMED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwords\r\nzz\r\n\r\n"


class _Hashable(SimpleNamespace):
    __hash__ = object.__hash__  # type: ignore[assignment]  # in a set, as the connections of a worker


def test_a_malformed_chunked_body_is_freed_at_the_end_of_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body and its request refer to each other, so the words waited for Python's garbage collector."""
    worker = gunicorn_worker.QuietWorker.__new__(gunicorn_worker.QuietWorker)
    worker._answering, worker._places = set(), Places(1)
    monkeypatch.setattr(worker, "_send", lambda _conn: None)
    monkeypatch.setattr(worker, "_start_threads", lambda: None)
    parser = RequestParser(Config(), iter([MALFORMED]), None)
    with suppress(InvalidChunkSize):
        next(parser).body.read(100)
    request = weakref.ref(parser.mesg)
    sock = _Hashable(start_over=lambda: None, received=bytearray())
    conn: Any = _Hashable(sock=sock, unfinished=None, parser=parser)
    done: Future[bool] = Future()
    done.set_result(False)

    gc.disable()
    try:
        worker.finish_request(conn, done)
        is_freed = request() is None
    finally:
        gc.enable()

    assert is_freed


class _Page(list[bytes]):
    """Page of a mailbox, to which a test can have a weak reference."""


def test_a_page_whose_reader_left_is_freed_at_once() -> None:
    """The connection and its answer refer to each other, so text and keys waited for the collector."""
    worker = gunicorn_worker.QuietWorker.__new__(gunicorn_worker.QuietWorker)
    worker.nr_conns, worker.tpool = 1, ThreadPoolExecutor(1)
    page = _Page([b"a text of a source"])
    conn: Any = _Hashable(sock=SimpleNamespace(), close=lambda: None)
    conn.unfinished = gunicorn_worker._Answer(conn, {}, None, page)
    text = weakref.ref(page)
    del page

    gc.disable()
    try:
        worker._close(conn)
        del conn
        worker.tpool.shutdown()
        is_freed = text() is None
    finally:
        gc.enable()

    assert is_freed


def test_words_behind_an_address_stay_in_no_cache() -> None:
    urlsplit("/en/log-in?words=secret")

    gunicorn_worker._Answer(None, {}, None, []).close()

    assert urlsplit.cache_info().currsize == 0  # type: ignore[attr-defined]  # a function with a cache
