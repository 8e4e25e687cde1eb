"""Each route has limits: a form over them is refused while it arrives, and no page becomes large."""

import io
import re
from collections.abc import Iterator
from html import unescape
from itertools import cycle
from pathlib import Path

import pytest

from protocol.content import TEXT_CHARS
from source_app.forms import TEXT_BYTES
from tests.pages import hooks
from tests.source_app.desks import MULTIPART, ADesk, SourceBrowser, make_desk, multipart
from web.form_limits import form_limits, small_form_bytes
from web.multipart import FormLimits

_PAGE_BYTES = 256 * 1024
_PAGE_WITH_MESSAGE_BYTES = 288 * 1024
_FILES = frozenset({"mailbox.leave_message"})  # a form with files


def _post_routes(a_desk: ADesk, values: dict[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """Yield the endpoint and a path of every route that accepts POST."""
    given = {"lang": "en", "entry_id": "00" * 16, **(values or {})}
    routes = a_desk.app.url_map.bind("localhost")
    for rule in a_desk.app.url_map.iter_rules():
        if "POST" in (rule.methods or ()):
            yield rule.endpoint, routes.build(rule.endpoint, {name: given[name] for name in rule.arguments})


def _limits(a_desk: ADesk, endpoint: str) -> FormLimits:
    with a_desk.app.app_context():
        limits = form_limits(endpoint)
    assert limits is not None, f"{endpoint} needs @takes"
    return limits


def test_every_route_that_receives_a_form_declares_its_limits(a_desk: ADesk) -> None:
    sizes = {endpoint: small_form_bytes(_limits(a_desk, endpoint)) for endpoint, _ in _post_routes(a_desk)}

    assert max(sizes.values()) < 2_200_000
    assert sizes["begin.try_log_in"] < 1_300_000  # with a text that was typed before the log-in
    assert max(sizes[name] for name in ("begin.passphrase", "begin.practise", "begin.log_out_page")) < 9_500


@pytest.mark.parametrize("is_logged_in", [True, False])
def test_no_route_takes_a_longer_form(a_desk: ADesk, *, is_logged_in: bool) -> None:
    source = a_desk.browser()
    source.start()
    for endpoint, path in _post_routes(a_desk):
        if not is_logged_in:
            source.client.delete_cookie("mailbox")
        body = _Counted(b"text=" + b"x" * 3_000_000)

        source.client.post(
            path,
            input_stream=body,
            content_length=3_000_005,
            content_type="application/x-www-form-urlencoded",
        )

        # What is over the limit may be read, to throw it away. It is never kept.
        assert body.largest <= 128 * 1024, endpoint


def test_the_pages_of_the_longest_message_with_the_longest_names_keep_to_their_limit(tmp_path: Path) -> None:
    """Attack: each "&" takes five bytes in HTML, in a text of the longest length and in twenty names."""
    files = [("&" * 251 + f"{number:02}.x", b"1") for number in range(20)]
    a_desk = make_desk(tmp_path, upload_files=len(files))
    source = a_desk.browser()
    source.start()
    assert source.write("&" * TEXT_CHARS, files).status_code == 303
    (entry,) = a_desk.thread_of(source).entries
    entry_id = entry.id

    sizes = [
        len(source.get(f"/en/mailbox/{page}/{entry_id}").data) for page in ("entry", "delete", "received")
    ]

    a_desk.store.close()
    assert _PAGE_BYTES < max(sizes) <= _PAGE_WITH_MESSAGE_BYTES


class _Counted(io.BytesIO):
    """Body that remembers the largest read."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.largest = max(self.largest, len(piece))
        return piece


@pytest.mark.parametrize("field", ["words", "text", "proposal", "other"])
def test_a_log_in_form_over_a_limit_is_refused_and_the_text_kept(source: SourceBrowser, field: str) -> None:
    text = "do not lose me"
    sent = {"text": text, field: "x" * (TEXT_BYTES + 1)} if field != "text" else {"text": text * 40_000}

    refused = source.post("/en/log-in", sent)

    assert refused.status_code == 413
    assert hooks(refused.text, "failure") == ["413"]
    assert text in refused.text
    assert len(refused.data) <= _PAGE_BYTES


@pytest.mark.parametrize("character", ["x", "é", "字", "\N{GRINNING FACE}", "&", '"', "<", "a\r\n"])
def test_a_text_of_the_full_length_survives_the_log_in_whatever_its_characters(
    a_desk: ADesk, source: SourceBrowser, character: str
) -> None:
    text = character * (TEXT_CHARS // len(character.replace("\r\n", "\n")))
    form_context = source.form_context()
    source.client.delete_cookie("mailbox")

    expired = source.write(text, form_context=form_context)
    kept = _textarea(expired.text)
    back = source.log_in(source.passphrase, text=kept.replace("\n", "\r\n"))

    assert kept == text.replace("\r\n", "\n")
    assert _textarea(back.text) == kept
    assert max(len(expired.data), len(back.data)) <= _PAGE_BYTES
    assert source.write(_textarea(back.text)).status_code == 303
    assert a_desk.thread_of(source).entries[-1].text == kept


def _textarea(page: str) -> str:
    """Return the text in the box of a page, as a browser reads it."""
    found = re.search(r'<textarea\b[^>]*name="text"[^>]*>\r?\n?(.*?)</textarea>', page, re.DOTALL)
    assert found is not None
    return unescape(found[1]).replace("\r\n", "\n")


@pytest.mark.parametrize("character", ["x", "&", "\N{GRINNING FACE}", "%"])
@pytest.mark.parametrize("is_logged_in", [True, False])
def test_the_largest_form_that_each_route_accepts_gets_a_small_page(
    a_desk: ADesk, source: SourceBrowser, character: str, *, is_logged_in: bool
) -> None:
    proposal = a_desk.propose(a_desk.keys_of(source), "a text to pass on")
    for endpoint, path in _post_routes(a_desk, {"entry_id": proposal.envelope.entry_id.hex()}):
        if not is_logged_in:
            source.client.delete_cookie("mailbox")
        size = len(character.encode())
        limits = _limits(a_desk, endpoint)
        fields = {name: character * (limit // size) for name, limit in limits.fields.items()}

        if endpoint in _FILES:
            body = multipart(fields, [])
            answer = source.client.post(path, data=body, content_type=MULTIPART, buffered=True)
        else:
            answer = source.client.post(path, data=fields, buffered=True)

        assert len(answer.data) <= _PAGE_BYTES, endpoint
        assert answer.status_code != 413 or character == "%", endpoint
        if is_logged_in and source.get("/en/mailbox/write").status_code != 200:
            source.log_in(source.passphrase)


def test_many_empty_parts_and_long_headers_of_parts_are_refused(source: SourceBrowser) -> None:
    form_context = source.form_context()
    many = multipart(form_context, [], end=False)
    names = cycle(("a", "b"))
    many += b"".join(
        f'------AaB03x\r\nContent-Disposition: form-data; name="{next(names)}"\r\n\r\n\r\n'.encode()
        for _ in range(100_000)
    )
    long = b"------AaB03x\r\n" + b"X-Header: " + b"x" * 5_000_000

    answers = [source.send(body, length=len(body)) for body in (many, long)]

    assert [answer.status_code for answer in answers] == [413, 400]


def test_every_page_of_a_get_request_is_small(a_desk: ADesk, source: SourceBrowser) -> None:
    a_desk.answer(a_desk.keys_of(source), "an answer")
    for rule in a_desk.app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.arguments <= {"lang"} and "leave" not in rule.endpoint:
            path = a_desk.app.url_map.bind("localhost").build(
                rule.endpoint, dict.fromkeys(rule.arguments, "en")
            )
            for query in ("", "?" + "a=%26&" * 300):
                assert len(source.get(path + query).data) <= _PAGE_BYTES, rule.endpoint


def test_a_page_of_one_entry_is_as_small_as_a_page_with_a_typed_text(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    keys = a_desk.keys_of(source)
    proposal = a_desk.propose(keys, "&" * TEXT_CHARS).envelope.entry_id.hex()
    source.write("&" * TEXT_CHARS)
    own = a_desk.thread_of(source).entries[-1].id

    for path in (f"received/{own}", f"delete/{own}", f"proposal/{proposal}"):
        assert len(source.get(f"/en/mailbox/{path}").data) <= _PAGE_BYTES, path
