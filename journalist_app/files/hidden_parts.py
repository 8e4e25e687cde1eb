"""Program that lists the hidden parts and metadata of office files, or removes some in a copy.

No module imports this file. `journalist_app.files.metadata` runs it as a program, with the system's Python in
the sandbox, because the files are hostile. The program imports only the standard library. `pdf_parts` is the
program for a PDF.

mat2 0.13.3 lists no hidden parts. mat2 leaves comments in an .odt, leaves changes of layout with their
author's name, leaves the thumbnail of a .docx, and refuses a .docx with comments. So this program removes
these before mat2 runs.
"""

import io
import json
import re
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET  # expat and the sandbox's limits stop XML bombs

OFFICE = frozenset({".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".odg"})
_PART_BYTES = 50_000_000  # limit of one member of the zip, unpacked
_PARTS = 5_000

_NAMES = 12  # shown of each kind
_NAME_CHARS = 200
_MOST = 1_048_576  # rows of a sheet; a file may claim any number
_ANCESTORS = 20  # of a style

_WORD = (  # the second is the namespace of "strict" files
    "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}",
    "{http://purl.oclc.org/ooxml/wordprocessingml/main}",
)
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_SLIDES = "{http://openoffice.org/2009/office}"  # of LibreOffice, for comments on slides
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DC = "{http://purl.org/dc/elements/1.1/}"


def _named(names: str, *prefixes: str) -> set[str]:
    return {prefix + name for name in names.split() for prefix in prefixes}


_UNWRAPPED = _named("ins moveTo", *_WORD)  # the mark is removed, but its text stays
_CHANGES = {_TEXT + "changed-region"} | _UNWRAPPED | _named(
    "del moveFrom cellIns cellDel cellMerge numberingChange pPrChange rPrChange sectPrChange tblGridChange"
    " tblPrChange tblPrExChange tcPrChange trPrChange",
    *_WORD,
) | _named("cell-content-change insertion deletion movement", _TABLE)  # fmt: skip
_COMMENTS = _named("annotation", _OFFICE, _SLIDES) | _named("comment", *_WORD)
_MARKS = _named("tracked-changes change change-start change-end", _TEXT) | _named(
    "commentRangeStart commentRangeEnd commentReference moveFromRangeStart moveFromRangeEnd moveToRangeStart"
    " moveToRangeEnd customXmlInsRangeStart customXmlInsRangeEnd customXmlDelRangeStart customXmlDelRangeEnd",
    *_WORD,
) | {_OFFICE + "annotation-end", _SLIDES + "annotation-end", _TABLE + "tracked-changes"}  # fmt: skip
_REMOVED = ((_CHANGES | _COMMENTS) - _UNWRAPPED) | _MARKS

# Members of a .docx, .xlsx or .pptx that contain only comments, the names of their authors, or a thumbnail.
_REMOVED_PART = re.compile(
    r"(^|/)(comments[^/]*|commentAuthors|people|threadedComment[^/]*|modernComment[^/]*|authors)\.xml$"
    r"|(^|/)(comments|threadedComments|persons)/|(^|/)docProps/thumbnail\."
)
_SOURCES = {"connection", "dbPr", "webPr", "textPr"}  # from which a sheet reads its values
_COMMENT_TAGS = {"comment", "cm", "reply", "threadedComment"}
_PARTS_BY_NAME = {
    "thumbnail": re.compile(r"^(docProps/thumbnail\.|Thumbnails/)"),
    "embedded": re.compile(r"/embeddings/|vbaProject\.bin$|^(Object [^/]+(/content\.xml)?|Basic/.+\.xml)$"),
    "custom": re.compile(r"^customXml/item\d+\.xml$"),
}
# Parts that other parts refer to, so they are read first: looks of texts, and names of people.
_READ_FIRST = re.compile(r"(^|/)(styles|commentAuthors|authors|person[^/]*)\.xml$")

# Attributes that hide an element. Names have no namespace, because two namespaces are in use for each name.
_HIDING = re.compile(
    r"(?P<sheets>sheet state=hidden)|(?P<deep_sheets>sheet state=veryhidden)|(?P<slides>sld show=0)"
    r"|(?P<rows>row (?:hidden=1|ht=0)|sheetFormatPr zeroHeight=1|table-row visibility=(?:collapse|filter))"
    r"|(?P<columns>col (?:hidden=1|width=0)|table-column visibility=(?:collapse|filter))"
    r"|(?P<hidden>(?:cNvPr|docPr) hidden=1|section display=none|hidden-(?:text|paragraph) is-hidden=1)"
)
# Attributes of styles, and the values with which they hide a sheet, a slide or a text. A text is hidden by
# "white" only if its background is "plain".
_LOOKS = re.compile(
    r"(?P<sheets>table-properties display)|(?P<slides>drawing-page-properties visibility)"
    r"|(?P<hidden>vanish val|text-properties display)"
    r"|(?P<white>color (?:val|rgb|theme|themeColor|indexed)|(?:srgb|scheme)Clr val|text-properties color)"
    r"|(?P<plain>shd fill|fgColor (?:rgb|theme|indexed)"
    r"|(?:text|paragraph|table-cell)-properties background-color)"
)
_VALUES = re.compile(
    r"sheets=0|slides=hidden|hidden=(?:1|none)|white=(?:white|0|background1|light1|bg1|lt1)"
    r"|plain=(?:white|0|auto|transparent)|(?:white|plain)=indexed (?:1|9)"
)
_SAME_VALUES = {"true": "1", "on": "1", "false": "0", "off": "0"}
_WHITE = re.compile(r"#?(ff)?(f[0-9a-f]){3}")  # no one can tell a text in this colour from white
_Looks = Mapping[str, bool]


# ---- list ------------------------------------------------------------------------------------------


class _Found:
    """Hidden parts that were found so far, and the names and styles that other parts refer to."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.names: dict[str, dict[str, None]] = {}
        self.details: list[tuple[str, str, str]] = []
        self.people: dict[str, str] = {}
        self.styles: dict[str, tuple[str, _Looks]] = {}  # by name: its parent's name, and its own looks

    def add(self, kind: str, *names: str, number: int = 1) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + number
        names_of_kind = self.names.setdefault(kind, {})
        for name in filter(None, map(str.strip, names)):
            if len(names_of_kind) < _NAMES:
                names_of_kind[name[:_NAME_CHARS]] = None

    def looks_of_style(self, name: str) -> _Looks:
        looks: _Looks = {}
        for _ in range(_ANCESTORS):
            name, own = self.styles.get(name, ("", {}))
            looks = {**own, **looks}
        return looks


def findings(path: str) -> list[tuple[str, str, str]]:
    """Return the hidden parts and the metadata of an office file, as tuples of texts.

    For hidden parts, a tuple has the kind, the number, and the names of authors, sheets, files or addresses.
    For metadata, a tuple has the word "detail", the name, and the value. A part that cannot be read is a
    finding of the kind "unread", and hides no finding of another part.
    """
    found = _Found()
    with zipfile.ZipFile(path) as file:
        members = sorted(file.infolist(), key=lambda each: not _READ_FIRST.search(each.filename))
        if len(members) > _PARTS:
            found.add("unread", "…", number=len(members) - _PARTS)
        for each in members[:_PARTS]:
            try:
                _look_part(found, each.filename, _content(file, each))
            except (ET.ParseError, zipfile.BadZipFile, OSError, ValueError, RuntimeError, zlib.error):
                found.add("unread", each.filename)
    counts = [(kind, str(count), ", ".join(found.names[kind])) for kind, count in found.counts.items()]
    return found.details + [each for each in counts if each[1] != "0"]


def _look_part(found: _Found, name: str, raw: bytes) -> None:
    for kind, pattern in _PARTS_BY_NAME.items():
        if pattern.search(name):
            found.add(kind, name)
    if name == "meta.xml" or (name.startswith("docProps/") and name.endswith(".xml")):
        found.details += _details(_tree(raw))
    if name.endswith((".xml", ".rels")):
        _look(found, name, _tree(raw))


def _details(tree: ET.Element) -> Iterator[tuple[str, str, str]]:
    for part in tree:  # a property of one's own has its name in an attribute
        for each in part.iter():
            if each.text and each.text.strip():
                yield "detail", part.get("name") or _local(each.tag), each.text.strip()


def _look(found: _Found, name: str, tree: ET.Element) -> None:
    _learn_styles(found, tree)
    if _READ_FIRST.search(name):
        found.people.update((each.get("id", ""), _attribute(each, "name", "displayName")) for each in tree)
    authors = tree.iterfind("{*}authors/{*}author")
    found.people.update((str(place), each.text or "") for place, each in enumerate(authors))
    if name.startswith("xl/revisions/"):
        found.add("changes", *(each.get("userName", "") for each in tree), number=len(tree) * ("Log" in name))
    is_comments = _REMOVED_PART.search(name) is not None
    waiting: list[tuple[ET.Element, _Looks]] = [(tree, {})]
    while waiting:  # without recursion: a file can have any number of levels
        each, around = waiting.pop()
        looks = _looks_here(found, each, around)
        _look_element(found, each, is_comments=is_comments)
        _look_looks(found, each, looks)
        waiting += [(child, looks) for child in reversed(each)]


def _look_element(found: _Found, each: ET.Element, *, is_comments: bool) -> None:
    tag = _local(each.tag)
    for key, value in each.attrib.items():
        hides = _HIDING.fullmatch(f"{tag} {_local(key)}={_same(value)}")
        if hides and hides.lastgroup:
            found.add(hides.lastgroup, each.get("name") or "?" if tag == "sheet" else "", number=_times(each))
    if tag == "trPr" and each.find("{*}hidden") is not None:
        found.add("rows")
    if each.tag in _CHANGES:
        found.add("changes", *_people(found, each))
    if each.tag in _COMMENTS or (is_comments and tag in _COMMENT_TAGS):
        people = _people(found, each)
        is_copy = any(name.startswith("tc=") for name in people)  # of a comment in another part
        found.add("comments", *(() if is_copy else people), number=not is_copy)
    target = _attribute(each, "Target" if each.get("TargetMode") == "External" else "href")
    target = _attribute(each, "connection", "url", "sourceFile") if tag in _SOURCES else target
    if target and (tag in _SOURCES | {"Relationship"} or re.match(r"[A-Za-z][\w+.-]*:|/|\.\./", target)):
        found.add("links", target)


def _look_looks(found: _Found, each: ET.Element, looks: _Looks) -> None:
    tag = _local(each.tag)
    kind = {"table": "sheets", "page": "slides"}.get(tag, "")
    if looks.get(kind):
        found.add(kind, _attribute(each, "name"))
    if tag in {"t", "v", "p", "h", "span", "a"} and (each.text or "").strip():
        is_white = looks.get("white") and looks.get("plain", True)
        found.add("hidden" if looks.get("hidden") else "white", number=bool(looks.get("hidden") or is_white))
    if tag == "notes":
        texts = (part.text for path in ("r/{*}t", "p", "span") for part in each.iterfind(f".//{{*}}{path}"))
        found.add("notes", number=any(text and text.strip() for text in texts))


def _learn_styles(found: _Found, tree: ET.Element) -> None:
    for each in tree.iterfind(".//{*}style"):
        name, based = _attribute(each, "styleId", "name"), each.find("{*}basedOn")
        parent = _attribute(each, "parent-style-name") if based is None else _attribute(based, "val")
        if name:
            found.styles[name] = (parent, _looks_of(each, *each))
        if _attribute(each, "default") and _attribute(each, "type") == "paragraph":
            found.styles["default of p"] = (name, {})  # of each paragraph that names no style
    fonts = [_looks_of(each) for each in tree.iterfind("{*}fonts/{*}font")]
    fills = [_looks_of(*each) for each in tree.iterfind("{*}fills/{*}fill")]
    formats = tree.iterfind("{*}numFmts/{*}numFmt")
    unseen = {each.get("numFmtId") for each in formats if re.fullmatch(";;+", each.get("formatCode", ""))}
    for place, each in enumerate(tree.iterfind("{*}cellXfs/{*}xf")):
        font, fill = _number(each.get("fontId"), 0), _number(each.get("fillId"), 0)
        looks = {
            **dict(*fonts[font:][:1]),
            **dict(*fills[fill:][:1]),
            "hidden": each.get("numFmtId") in unseen,
        }
        found.styles[f"cell {place}"] = ("", looks)


def _looks_here(found: _Found, each: ET.Element, looks: _Looks) -> _Looks:
    tag = _local(each.tag)
    style = f"cell {each.get('s', '0')}" if tag == "c" else _attribute(each, "style-name")
    if style:
        looks = {**looks, **found.looks_of_style(style)}
    for own in each.iterfind("{*}lstStyle/{*}lvl1pPr/{*}defRPr"):
        looks = {**looks, **_looks_of(own)}
    if tag == "p" and not each.findall("{*}pPr/{*}pStyle"):
        looks = {**looks, **found.looks_of_style("default of p")}
    if tag in {"p", "r", "tc"}:
        for properties in each.iterfind(f"{{*}}{tag}Pr"):
            for named in (*properties.iterfind("{*}pStyle"), *properties.iterfind("{*}rStyle")):
                looks = {**looks, **found.looks_of_style(_attribute(named, "val"))}
            looks = {**looks, **_looks_of(properties)}
    return looks


def _looks_of(*properties: ET.Element) -> _Looks:
    looks: dict[str, bool] = {}
    for each in (part for one in properties for part in (*one, *one.iterfind("{*}solidFill/*"))):
        is_shade = len(each) > 0 or re.search("tint|shade", " ".join(each.attrib), re.IGNORECASE) is not None
        for key, value in each.attrib.items() or [("val", "1")]:
            found = _LOOKS.fullmatch(f"{_local(each.tag)} {_local(key)}")
            if found and found.lastgroup:
                kind = found.lastgroup
                word = "indexed " if _local(key) == "indexed" else ""
                is_so = _VALUES.fullmatch(f"{kind}={word}{_same(value)}") is not None
                looks[kind] = is_so and not (kind == "white" and is_shade)
    return looks


def _same(value: str) -> str:
    value = value.lower()
    return "white" if _WHITE.fullmatch(value) else _SAME_VALUES.get(value, value)


def _times(each: ET.Element) -> int:
    if _local(each.tag) == "col":
        times = _number(each.get("max"), 1) - _number(each.get("min"), 1) + 1
    else:
        times = _number(_attribute(each, "number-rows-repeated", "number-columns-repeated"), 1)
    return max(1, min(times, _MOST))


def _number(text: str | None, otherwise: int) -> int:
    return int(text[:9]) if text and re.fullmatch("[0-9]+", text) else otherwise


def _people(found: _Found, each: ET.Element) -> Sequence[str]:
    ids = _attribute(each, "authorId", "personId")
    creators = [part.text or "" for part in each.iter(_DC + "creator")]
    return [_attribute(each, "author"), found.people.get(ids, ""), *creators]


# ---- remove ----------------------------------------------------------------------------------------


def write_cleaned_copy(path: str, out: str) -> None:
    """Write a copy of an office file with tracked changes accepted, without comments and thumbnail."""
    with zipfile.ZipFile(path) as file, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for name, raw in _parts(file, file.infolist()):
            if _REMOVED_PART.search(name):
                continue
            if name.endswith((".rels", "[Content_Types].xml")):
                kept = _rewritten(raw, _remove_references)
            elif name.endswith(".xml") and re.match(r"(word/|content\.xml$|styles\.xml$)", name):
                kept = _rewritten(raw, _accept)
            else:
                kept = raw
            copy.writestr(name, kept, zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED)


def _parts(file: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]) -> Iterator[tuple[str, bytes]]:
    if len(members) > _PARTS:
        raise ValueError("too many parts")
    for each in members:
        if not each.is_dir():
            yield each.filename, _content(file, each)


def _content(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with file.open(member) as part:
        raw = part.read(_PART_BYTES + 1)
    if len(raw) > _PART_BYTES:
        raise ValueError("a part is too large")
    return raw


def _tree(raw: bytes) -> ET.Element:
    return ET.fromstring(raw)  # noqa: S314  # the sandbox limits memory and time


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _attribute(each: ET.Element, *names: str) -> str:
    """Return the first attribute with one of these names in any namespace, or an empty text."""
    return next((value for key, value in each.attrib.items() if _local(key) in names), "").strip()


def _rewritten(raw: bytes, change: Callable[[ET.Element], None]) -> bytes:
    tree = _tree_with_prefixes(raw)
    change(tree)
    return bytes(ET.tostring(tree, encoding="UTF-8", xml_declaration=True))


def _remove_references(tree: ET.Element) -> None:
    for each in list(tree):
        if _REMOVED_PART.search(each.get("Target") or each.get("PartName") or ""):
            tree.remove(each)


def _accept(parent: ET.Element) -> None:
    kept: list[ET.Element] = []

    def add_text(text: str | None) -> None:
        if kept:
            kept[-1].tail = (kept[-1].tail or "") + (text or "")
        else:
            parent.text = (parent.text or "") + (text or "")

    for child in list(parent):
        if child.tag in _REMOVED:
            add_text(child.tail)
            continue
        _accept(child)
        if child.tag in _UNWRAPPED:
            add_text(child.text)
            kept.extend(child)
            add_text(child.tail)
        else:
            kept.append(child)
    parent[:] = kept


def _tree_with_prefixes(raw: bytes) -> ET.Element:
    """Parse the XML of an office document. Keep its namespace prefixes, so that a copy has the same ones."""
    for _event, (prefix, name) in ET.iterparse(io.BytesIO(raw), ["start-ns"]):  # noqa: S314  # in the sandbox
        if not re.fullmatch(r"ns\d+", prefix):
            ET.register_namespace(prefix, name)
    return _tree(raw)


def run_hidden_parts(task: str, path: str, out: str = "") -> int:
    """List or remove the hidden parts of the file at `path`. Return the exit status.

    Task "look" prints the findings, one JSON list a line. Task "cut" writes a cleaned copy to `out`. The exit
    status is 3 after a failure, and 0 otherwise.
    """
    # A file of another type has no findings, and its copy is unchanged.
    try:
        if task == "look":
            for found in findings(path) if Path(path).suffix in OFFICE else []:
                print(json.dumps(found))  # noqa: T201  # the caller reads the output
        elif Path(path).suffix in OFFICE:
            write_cleaned_copy(path, out)
        else:
            shutil.copyfile(path, out)
    except (ET.ParseError, zipfile.BadZipFile, OSError, ValueError, RuntimeError):
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(run_hidden_parts(*sys.argv[1:]))
