"""Program that lists the hidden parts of a PDF: comments, links, forms, layers, and texts that no one sees.

No module imports this file. `journalist_app.files.metadata` runs it as a program, with the system's Python in
the sandbox, because the files are hostile. The program imports only the standard library, and Poppler and
Cairo, which mat2 needs too. `hidden_parts` is the program for office files.
"""

import importlib
import json
import re
import subprocess
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_NAMES = 12  # shown of each kind
_NAME_CHARS = 200
_PAGES = 100  # whose texts are compared with their picture; takes 5 seconds
_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e]")  # marks that Poppler adds to Arabic, without a place
_PHOTOS = 1_000  # whose metadata are listed
_PHOTO = re.compile(rb"stream\r?\n(\xff\xd8\xff.*?)endstream", re.DOTALL)
_ACTION = re.compile(
    rb"/S\s*/(?:Launch|SubmitForm|ImportData|GoToE|Rendition|Movie|Sound|RichMediaExecute|Hide)\b"
)
_OBJECTS = re.compile(rb"/ObjStm\b.*?stream\r?\n", re.DOTALL)
_OBJECTS_BYTES = 50_000_000  # limit of the compressed objects, unpacked
_SECONDS = 20  # for it, and as long again to list what is on the other pages
_POINT = 1.5  # pixels for a point: a small letter then has 50 pixels
_SIDE = 2_400  # pixels of the longest side of a page: four times A4 is the largest
_CONTRAST = 24  # of 255: the least difference in colour that people see
_DARK = 96  # of 255: a pixel of a letter
_LETTERS = 2  # compared of each word
_BESIDE = "-x -20000 -y -20000 -W 50000 -H 50000"  # in points; Poppler alone lists no text beside the page

Finding = tuple[str, str]  # the kind, and a name or an empty text
Box = tuple[int, int, int, int]


def pdf_findings(path: str) -> list[tuple[str, str, str]]:
    """Return the hidden parts of a PDF as tuples of texts: the kind, the number, and the names.

    A PDF that opens only with a password gives one finding of the kind "locked".
    """
    gi = importlib.import_module("gi")
    gi.require_version("Poppler", "0.18")
    poppler, glib = (importlib.import_module(f"gi.repository.{name}") for name in ("Poppler", "GLib"))
    try:
        document = poppler.Document.new_from_file(Path(path).absolute().as_uri())
    except glib.Error as why:
        if why.code == int(poppler.Error.ENCRYPTED):
            return [("locked", "1", "")]
        raise ValueError from why
    counts: dict[str, int] = {}
    names: dict[str, dict[str, None]] = {}
    for kind, name in _all_findings(poppler, document, path):
        counts[kind] = counts.get(kind, 0) + 1
        known = names.setdefault(kind, {})
        if name.strip() and len(known) < _NAMES:
            known[name.strip()[:_NAME_CHARS]] = None
    return [(kind, str(count), ", ".join(names[kind])) for kind, count in counts.items()]


def _all_findings(poppler: Any, document: Any, path: str) -> Iterator[Finding]:  # noqa: ANN401  # no types
    for file in document.get_attachments():
        yield "embedded", file.name or "?"
    layers = list(_layers(poppler, document))
    yield from (("layers", each.get_title() or "?") for each in layers)
    if re.search(r"^Form: +XFA", _output("pdfinfo", path), re.MULTILINE):
        yield "fields", "XFA"
    raw = Path(path).read_bytes()
    for number, photo in zip(range(_PHOTOS), _PHOTO.finditer(raw), strict=False):
        Path(f"in-{number}.jpg").write_bytes(photo[1])  # another program lists their metadata
    yield from _older_versions(raw)
    if _output("pdfinfo", "-js", "-l", "-1", path).strip():  # on all pages
        yield "scripts", ""
    yield from (("actions", "") for _ in _ACTION.finditer(_readable(raw)))
    until = time.monotonic() + _SECONDS
    yield from _words_in_hidden_layers(document, layers, until)
    texts = _DIRECTIONS.sub("", _output("pdftotext", "-l", str(_PAGES), *_BESIDE.split(), path, "-"))
    everything = dict(enumerate(texts.split("\f"), start=1))
    for number in range(1, document.get_n_pages() + 1):
        if time.monotonic() > until + _SECONDS:
            yield "unread", str(number)
            continue
        page = document.get_page(number - 1)
        yield from _page_findings(poppler, page)
        text, (_, places) = _DIRECTIONS.sub("", page.get_text()), page.get_text_layout()
        if len("".join(text.split())) < len("".join(everything.get(number, "").split())):
            yield "beside", ""
        if not text.strip():
            continue
        is_small = max(page.get_size()) * _POINT <= _SIDE and len(places) == len(text)
        if number <= _PAGES and is_small and time.monotonic() < until:
            yield from (("hidden", "") for _ in range(_unseen_pieces(poppler, page, text, places)))
        else:
            yield "unread", str(number)


def _older_versions(raw: bytes) -> Iterator[Finding]:
    """Yield a finding for each older version of the PDF that is still in the file.

    Each version ends with a mark (ISO 32000-1, 7.5.6). A PDF that is arranged for fast reading has one mark
    more than it has versions.
    """
    versions = len(re.findall(rb"\sstartxref\s+\d+\s+%%EOF", raw)) - (b"/Linearized" in raw[:1024])
    yield from (("older", "") for _ in range(1, versions))


def _readable(raw: bytes) -> bytes:
    """Return a PDF's bytes and its decompressed objects, with decoded escapes in names."""
    parts, left = [raw], _OBJECTS_BYTES
    for found in _OBJECTS.finditer(raw):
        with suppress(zlib.error):  # encrypted, or compressed in another way
            parts.append(zlib.decompressobj().decompress(raw[found.end() :], left))
            left -= len(parts[-1])
    return re.sub(rb"#([0-9A-Fa-f]{2})", lambda code: bytes.fromhex(code[1].decode()), b"\n".join(parts))


def _output(program: str, *words: str) -> str:
    made = subprocess.run([f"/usr/bin/{program}", *words], capture_output=True, check=True)  # noqa: S603
    return made.stdout.decode("utf-8", "replace")


def _words_in_hidden_layers(document: Any, layers: Sequence[Any], until: float) -> Iterator[Finding]:  # noqa: ANN401
    """Yield a finding for each page on which a layer that is switched off has words."""
    numbers = range(min(_PAGES, document.get_n_pages()) if layers else 0)

    def count(number: int) -> int:  # a page that was read before would have the same text again
        return len(document.get_page(number).get_text().split())

    shown = {number: count(number) for number in numbers}
    for layer in layers:
        if layer.is_visible():
            continue
        layer.show()
        for number in numbers:
            if time.monotonic() > until:
                yield "unread", layer.get_title() or "?"
                break
            if count(number) > shown[number]:
                yield "hidden", ""
        layer.hide()


def _layers(poppler: Any, document: Any) -> Iterator[Any]:  # noqa: ANN401
    try:
        waiting = [poppler.LayersIter.new(document)]
    except TypeError:  # the document has no layers
        return
    while waiting:
        place = waiting.pop()
        layer, child = place.get_layer(), place.get_child()
        if layer:
            yield layer
        waiting += [each for each in (place if place.next() else None, child) if each]


def _page_findings(poppler: Any, page: Any) -> Iterator[Finding]:  # noqa: ANN401
    # The lists are freed only after the last use.
    notes, links, fields = page.get_annot_mapping(), page.get_link_mapping(), page.get_form_field_mapping()
    for note in (each.annot for each in notes):
        if isinstance(note, poppler.AnnotFileAttachment):
            yield "embedded", getattr(note.get_attachment(), "name", "") or "?"
        elif isinstance(note, poppler.AnnotMarkup):
            yield "comments", note.get_label() or ""
    for action in [each.action for each in links]:
        target = {
            poppler.ActionType.URI: lambda action: action.uri.uri,
            poppler.ActionType.GOTO_REMOTE: lambda action: action.goto_remote.file_name,
            poppler.ActionType.LAUNCH: lambda action: action.launch.file_name,
        }.get(action.type)
        if target:
            yield "links", target(action) or "?"
    for field in (each.field for each in fields):
        is_text = field.get_field_type() == poppler.FormFieldType.TEXT
        value = (field.text_get_text() if is_text else "") or ""
        yield "fields", f"{field.get_name() or '?'}: {value}" if value else field.get_name() or "?"
    if page.get_thumbnail_size()[0]:
        yield "thumbnail", ""


# ---- texts that no one sees --------------------------------------------------------------------------


def _unseen_pieces(poppler: Any, page: Any, text: str, places: Sequence[Any]) -> int:  # noqa: ANN401
    """Count the pieces of a page's text whose letters have no contrast with what is around them.

    Such a text is white on white, has no colour at all, or is under a picture.
    """
    width, height = (max(1, round(each * _POINT)) for each in page.get_size())
    picture, letters = _pictures(poppler, page, width, height)
    pieces, was_seen, at = 0, True, 0
    for word in text.split():
        at = text.index(word, at)
        boxes = [_box(place, width, height) for place in places[at : at + _LETTERS]]
        is_seen = any(_has_contrast(picture, letters, width, box) for box in boxes)
        pieces += was_seen and not is_seen
        was_seen, at = is_seen, at + len(word)
    return pieces


def _pictures(poppler: Any, page: Any, width: int, height: int) -> Sequence[memoryview]:  # noqa: ANN401
    """Return two pictures of a page, with four bytes for each pixel.

    The first picture shows the page. The second picture shows only its letters, in black on white.
    """
    cairo = importlib.import_module("cairo")
    black, white, area = poppler.Color(), poppler.Color(), poppler.Rectangle()
    white.red = white.green = white.blue = 0xFFFF
    area.x2, area.y2 = page.get_size()
    made = []
    for draw in (
        page.render,
        lambda on: page.render_selection(
            on, area, poppler.Rectangle(), poppler.SelectionStyle.GLYPH, black, white
        ),
    ):
        surface = cairo.ImageSurface(cairo.FORMAT_RGB24, width, height)
        on = cairo.Context(surface)
        on.set_source_rgb(1, 1, 1)
        on.paint()
        on.scale(_POINT, _POINT)
        draw(on)
        surface.flush()
        made.append(memoryview(bytes(surface.get_data())))
    return made


def _box(place: Any, width: int, height: int) -> Box:  # noqa: ANN401
    left, right = sorted(round(each * _POINT) for each in (place.x1, place.x2))
    top, bottom = sorted(round(each * _POINT) for each in (place.y1, place.y2))
    return max(0, left), max(0, top), min(width, right + 1), min(height, bottom + 1)


def _has_contrast(picture: memoryview, letters: memoryview, width: int, box: Box) -> bool:
    left, top, right, bottom = box
    inside: list[memoryview] = []
    around: list[memoryview] = []
    others: list[
        memoryview
    ] = []  # in a row without a pixel of the letter, which can be beside its background
    for row in range(top, bottom):
        pixels = range(4 * (row * width + left), 4 * (row * width + right), 4)
        dark = [at for at in pixels if letters[at] < _DARK]
        inside += (picture[at : at + 3] for at in dark)
        (around if dark else others).extend(picture[at : at + 3] for at in pixels if letters[at] >= _DARK)
    if not inside or not around:  # a letter of another kind, or too small to have pixels
        return _spread(inside + around + others) >= _CONTRAST
    return max(abs(one - other) for one, other in zip(_mean(inside), _mean(around), strict=True)) >= _CONTRAST


def _mean(pixels: Sequence[memoryview]) -> Iterable[float]:
    return [sum(each) / len(pixels) for each in zip(*pixels, strict=True)]


def _spread(pixels: Sequence[memoryview]) -> int:
    return max((max(each) - min(each) for each in zip(*pixels, strict=True)), default=0)


def run_pdf_parts(path: str) -> int:
    """Print the hidden parts of the PDF at `path`, one JSON list a line. Return 3 after a failure, else 0."""
    try:
        for found in pdf_findings(path):
            print(json.dumps(found))  # noqa: T201  # the caller reads the output
    except (OSError, ValueError, subprocess.SubprocessError):
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(run_pdf_parts(sys.argv[1]))
