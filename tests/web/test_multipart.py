"""Multipart forms are read in pieces, and no text is lost when an upload fails."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.errors import BodyError, BodyFault
from web.multipart import Body, Event, Field, FileBegun, FileBytes, FileEnded, FormLimits, read_parts


@contextmanager
def refused_body(reason: BodyFault) -> Iterator[pytest.ExceptionInfo[BodyError]]:
    """Check that the block refuses a request body for this reason."""
    with pytest.raises(BodyError) as caught:
        yield caught
    assert reason is caught.value.reason


TYPE = "multipart/form-data; boundary=XyZ"
LIMITS = FormLimits(5, {"text": 600, "a": 600})
PLENTY = 10_000_000


class Pieces:
    """Connection that delivers its bytes in the given pieces, and then ends or breaks."""

    def __init__(self, pieces: list[bytes], *, then: Exception | None = None) -> None:
        self._pieces = [piece for piece in pieces if piece]
        self._then = then

    def read(self, size: int, /) -> bytes:
        if not self._pieces:
            if self._then is not None:
                raise self._then
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]


class EndlessSender:
    """Sender whose request body never ends."""

    def __init__(self, first: bytes, piece: bytes) -> None:
        self._first = first
        self._piece = piece
        self.given = 0

    def read(self, size: int, /) -> bytes:
        piece = (self._first or self._piece)[:size]
        self._first = b""
        self.given += len(piece)
        return piece


def field(name: str, value: bytes) -> bytes:
    return f'--XyZ\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"


def file(filename: str, value: bytes) -> bytes:
    head = f'--XyZ\r\nContent-Disposition: form-data; name="files"; filename="{filename}"\r\n'
    return head.encode() + b"Content-Type: image/png\r\n\r\n" + value + b"\r\n"


END = b"--XyZ--\r\n"


def joined(events: list[Event]) -> list[Event]:
    """Join the pieces of each file, because their boundaries have no meaning."""
    out: list[Event] = []
    for event in events:
        if isinstance(event, FileBytes) and out and isinstance(out[-1], FileBytes):
            out[-1] = FileBytes(out[-1].piece + event.piece)
        else:
            out.append(event)
    return out


def parse(raw: bytes, limits: FormLimits = LIMITS, content_type: str = TYPE) -> list[Event]:
    return joined(list(read_parts(Body(io.BytesIO(raw), len(raw), PLENTY), content_type, limits)))


def test_fields_arrive_whole_and_files_in_pieces() -> None:
    raw = field("text", "één".encode()) + file("a.png", b"\r\n--Xy\r\nz") + file("", b"") + END

    assert parse(raw) == [
        Field("text", "één"),
        FileBegun("files", "a.png", "image/png"),
        FileBytes(b"\r\n--Xy\r\nz"),
        FileEnded(),
        FileBegun("files", "", "image/png"),
        FileEnded(),
    ]


def test_a_field_of_the_form_behind_a_file_is_refused_and_never_read_too_late() -> None:
    with pytest.raises(BodyError) as refused:
        parse(file("a.png", b"x") + field("text", b"help") + END)

    assert refused.value.reason is BodyFault.MALFORMED


def test_a_field_that_the_form_does_not_have_may_stand_behind_a_file() -> None:
    assert Field("extension", "x") == parse(file("a.png", b"x") + field("extension", b"x") + END)[-1]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b'name="files"; filename="evidence\\"', "evidence\\"),
        (b'name="files"; filename="\\\\server\\share\\note.txt"', "\\\\server\\share\\note.txt"),
        (b'name="files"; filename="a;b=c\\n.txt"', "a;b=c\\n.txt"),
        (b'name="files"; filename="say %22hi%22%0D%0A100%25.txt"', 'say "hi"\r\n100%25.txt'),
        (b'name="files";filename="evidence\\"', "evidence\\"),
        (b'name="files"; filename="say \\"hi\\".txt"', 'say "hi".txt'),
        (b'name="files"; filename="say "hi".txt"', 'say "hi".txt'),
        (b'name="files"; filename="a.txt"; size="1"', "a.txt"),
        (b'name="files"; filename=plain.txt', "plain.txt"),
        (b'filename="first.txt"; name="files"', "first.txt"),
        (b"name=\"files\"; filename*=UTF-8''%C3%A9.txt", "é.txt"),
        (b'name="files"; filename="rapport-\xe9t\xe9.txt"', "rapport-été.txt"),
        (b'name="files"; filename="\x95\xf1\x8d\x90.txt"', "\u2022\u00f1\ufffd\ufffd.txt"),
        (b'name="files"; filename="\x82\xa2\x8d\x90.txt"', "\u201a\u00a2\ufffd\ufffd.txt"),
        ('name="files"; filename="rapport-été.txt"'.encode(), "rapport-été.txt"),
        (b'name="files"; filename="two\nlines.txt"', "two\nlines.txt"),
        (b'name="files"; filename="', ""),
        (b'name="files"; filename*=nonsense', "nonsense"),
        (b'name="files"; FileName', ""),
        (b'name="files"; filename=""', ""),
    ],
)  # fmt: skip
def test_a_file_is_never_lost_with_its_name(sent: bytes, read: str) -> None:
    raw = b"--XyZ\r\nContent-Disposition: form-data; " + sent + b"\r\n\r\nsome evidence\r\n" + END

    assert parse(raw) == [FileBegun("files", read, ""), FileBytes(b"some evidence"), FileEnded()]


TRICKY = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--XyZ", b"XyZ", b"a", b"\r\n--Xy"]), max_size=12
).map(b"".join)


@given(st.data(), TRICKY, TRICKY)
def test_any_split_of_the_bytes_gives_the_same_parts(
    draw: st.DataObject, text: bytes, content: bytes
) -> None:
    text, content = text.replace(b"--XyZ", b"--Xyz"), content.replace(b"--XyZ", b"--Xyz")
    raw = field("text", text) + file("a.png", content) + END
    cuts = draw.draw(st.lists(st.integers(0, len(raw)), max_size=20).map(sorted))
    pieces = [raw[start:end] for start, end in pairwise([0, *cuts, len(raw)])]

    events = list(read_parts(Body(Pieces(pieces), len(raw), PLENTY), TYPE, LIMITS))

    assert joined(events) == parse(raw)
    assert joined(events)[0] == Field("text", text.decode())
    assert b"".join(event.piece for event in events if isinstance(event, FileBytes)) == content


@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_the_documented_errors(raw: bytes) -> None:
    try:
        parse(b"--XyZ\r\n" + raw)
    except BodyError:
        return
    assert b"--XyZ--" in raw or raw.startswith(b"--")


def test_a_body_that_is_cut_off_keeps_the_text_that_arrived() -> None:
    raw = field("token", b"t") + field("text", b"half a sen")[:-2]
    events: list[Event] = []

    with refused_body(BodyFault.CUT_OFF) as refusal:
        events.extend(read_parts(Body(io.BytesIO(raw), len(raw) + 50, PLENTY), TYPE, LIMITS))

    assert refusal.value.unfinished is not None
    assert refusal.value.unfinished[0] == "text"
    assert "half a sen".startswith(refusal.value.unfinished[1])
    assert len(refusal.value.unfinished[1]) > 0


def test_a_body_that_ends_without_its_last_boundary_is_cut_off() -> None:
    raw = field("text", b"whole") + file("a.png", b"half")
    body = Body(io.BytesIO(raw), len(raw), PLENTY)
    events = read_parts(body, TYPE, LIMITS)

    assert next(events) == Field("text", "whole")
    with refused_body(BodyFault.CUT_OFF) as refusal:
        list(events)
    assert refusal.value.unfinished is None


def test_a_connection_that_breaks_is_a_body_cut_off() -> None:
    with refused_body(BodyFault.CUT_OFF):
        list(read_parts(Body(Pieces([b"--XyZ\r\n"], then=OSError()), None, PLENTY), TYPE, LIMITS))


def test_a_content_length_shorter_than_the_body_is_a_body_cut_off() -> None:
    raw = field("text", b"x" * 100) + END

    with refused_body(BodyFault.CUT_OFF):
        list(read_parts(Body(io.BytesIO(raw), 80, PLENTY), TYPE, LIMITS))


def test_a_chunked_body_that_ends_properly_is_read() -> None:
    raw = field("text", b"x") + END

    assert list(read_parts(Body(io.BytesIO(raw), None, PLENTY), TYPE, LIMITS)) == [Field("text", "x")]


@pytest.mark.parametrize("then", [file("a.png", b"x")[:-2], END], ids=["a file", "after the end"])
def test_an_announced_length_over_the_limit_is_refused_once_the_text_was_read(then: bytes) -> None:
    """Someone who chose files that are too large must not lose their text."""
    endless = EndlessSender(field("text", b"hello") + then, b"x" * 1000)
    events: list[Event] = []

    with refused_body(BodyFault.TOO_LARGE):
        events.extend(read_parts(Body(endless, 10**12, PLENTY), TYPE, LIMITS))
    assert [Field("text", "hello")] == events
    assert endless.given < 200_000


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (file("a.png", b"x")[:-2], b"x" * 1000),
        (field("a", b"x") + END, b"x" * 1000),
        (file("a.png", b"x")[:-2], b"\r\n--Xy"),
    ],
    ids=["in a file", "after the end", "almost a boundary"],
)
def test_an_endless_body_is_refused_at_the_limit(first: bytes, piece: bytes) -> None:
    endless = EndlessSender(first, piece)

    with refused_body(BodyFault.TOO_LARGE):
        list(read_parts(Body(endless, None, 200_000), TYPE, LIMITS))

    assert endless.given < 400_000


@pytest.mark.parametrize("first", [b"", b"--XyZ\r\n"], ids=["preamble", "headers"])
def test_endless_headers_are_refused_early(first: bytes) -> None:
    endless = EndlessSender(first + b"A: ", b"a" * 1000)

    with refused_body(BodyFault.HEADERS_TOO_LONG):
        list(read_parts(Body(endless, None, PLENTY), TYPE, LIMITS))

    assert endless.given < 40_000


def test_a_file_name_of_twenty_thousand_characters_is_refused() -> None:
    with refused_body(BodyFault.HEADERS_TOO_LONG):
        parse(file("a" * 20_000, b"x") + END)


def test_a_file_name_of_five_thousand_characters_is_read() -> None:
    assert parse(file("a" * 5_000, b"x") + END)[0] == FileBegun("files", "a" * 5_000, "image/png")


def test_more_parts_than_allowed_are_refused() -> None:
    with refused_body(BodyFault.TOO_MANY_PARTS):
        parse(field("a", b"x") * 6 + END)


def test_text_over_the_limit_is_refused_and_its_start_kept() -> None:
    with refused_body(BodyFault.FIELD_TOO_LONG) as refusal:
        parse(field("a", b"y" * 400) + field("text", b"x" * 601) + END)

    assert refusal.value.unfinished == ("text", "x" * 600)


def test_text_that_is_not_utf8_is_not_lost() -> None:
    assert parse(field("text", b"a\xffb") + END) == [Field("text", "a\ufffdb")]


@pytest.mark.parametrize(
    "raw",
    [
        b"--XyZ\r\n\r\n\r\nx\r\n" + END,
        b"--XyZ\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END,
        b"--XyZ\r\nContent-Disposition: form-data; name=\xff\r\n\r\nx\r\n" + END,
    ],
    ids=["no disposition", "no name", "a header that is not UTF-8"],
)
def test_parts_that_no_browser_sends_are_refused(raw: bytes) -> None:
    with refused_body(BodyFault.MALFORMED):
        parse(raw)


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 201]
)
def test_a_content_type_without_a_usable_boundary_is_refused(content_type: str) -> None:
    with refused_body(BodyFault.MALFORMED):
        parse(END, content_type=content_type)


def test_the_rest_of_a_body_is_discarded_up_to_a_limit() -> None:
    assert Body(io.BytesIO(b"x" * 500), 500, 10).drain(1000)
    assert Body(io.BytesIO(b"x" * 500), None, 10).drain(1000)
    assert Body(io.BytesIO(b"x" * 400), 500, 10).drain(1000)
    assert not Body(io.BytesIO(b"x" * 500), 500, 10).drain(499)
    endless = EndlessSender(b"", b"x" * 100)
    assert not Body(endless, None, 10).drain(1000)
    assert endless.given == 1000


def test_an_empty_body_counts_as_cut_off() -> None:
    for announced in (0, 5, None):
        with refused_body(BodyFault.CUT_OFF):
            list(read_parts(Body(io.BytesIO(b""), announced, PLENTY), TYPE, LIMITS))


def test_a_longer_boundary_is_refused() -> None:
    with refused_body(BodyFault.MALFORMED):
        parse(file("a.png", b"x\r\n--XyZother\r\ny") + END)
