"""Documents that try to reach the network, and converters that leave nothing behind."""

import http.server
import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.conversion.office_documents import office_to_pdf
from journalist_app.errors import ConversionRefusedError
from tests.journalist_app.conversion.files_to_convert import OPENLY, a_letter, a_small_pdf, an_image, pages_of

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    """A server on this machine, which notes each request that reaches it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    asked: list[str] = []
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked = asked  # type: ignore[attr-defined]  # for the test
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_document_with_links_and_pictures_elsewhere_reaches_no_server(
    server: http.server.HTTPServer,
) -> None:
    here = f"http://127.0.0.1:{server.server_address[1]}"
    letter = a_letter(
        body=f'<text:p>Dag <draw:frame draw:name="a"><draw:image xlink:href="{here}/picture.png"'
        ' xlink:type="simple" xlink:actuate="onLoad"/></draw:frame></text:p>'
        f'<text:section text:name="s"><text:section-source xlink:href="{here}/section.odt"/></text:section>'
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{here}/a.png" width="9" height="9"/></svg>'
    playlist = f"#EXTM3U\n{here}/a.ts\n"

    _, (page,) = pages_of(Converter(), letter)
    for content in (svg, playlist):
        with suppress(ConversionRefusedError):
            pages_of(Converter(), content.encode())

    assert "Dag" in page.words
    assert [] == server.asked  # type: ignore[attr-defined]


def test_a_hijacked_converter_reaches_no_server(server: http.server.HTTPServer) -> None:
    url = f"http://127.0.0.1:{server.server_port}/"
    script = f"/usr/bin/python3 -c 'import urllib.request as web; web.urlopen(\"{url}\")' || :;"

    with memory_file(b"content") as file:
        Converter().run(script, [file])
        asked = list(server.asked)  # type: ignore[attr-defined]
        OPENLY.run(script, [file])

    assert ([], ["/"]) == (asked, server.asked)  # type: ignore[attr-defined]


def test_a_document_cannot_show_a_file_of_this_machine(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("geheim")
    letter = a_letter(
        body=f'<text:p>Dag</text:p><text:section text:name="s"><text:section-source xlink:href="file://{secret}"/>'
        "</text:section>"
    )

    _, pages = pages_of(Converter(), letter)

    assert "geheim" not in "".join(page.words for page in pages)


def _children() -> set[str]:
    """Return the ids of all processes that this process started."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # this process has ended
            if int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1]) == os.getpid():
                found.add(folder.name)
    return found


def test_no_process_and_no_file_is_left() -> None:
    places = [Path("/tmp"), Path("/dev/shm"), Path.home()]  # noqa: S108  # where programs leave files
    before, running = {each for place in places for each in place.iterdir()}, _children()

    for content in (a_letter(), a_small_pdf(1), an_image("PNG"), b"From: a\nDate: b\n\nDag\n"):
        pages_of(Converter(), content)
    with memory_file(b"PK\x03\x04 damaged") as file:
        office_to_pdf(Converter(), [file])

    assert _children() <= running
    left = {each for place in places for each in place.iterdir()} - before
    assert not [each for each in left if re.match(r"lu\d|OSL_PIPE|\.?(soffice|libreoffice)", each.name)]
