"""Program that lists the hidden parts and metadata of office files, or writes a copy without some of them.

No module imports this file. `journalist_app.files.metadata` and `journalist_app.cleaning.cleaners` run it as
a program, with the system's Python in the sandbox, because the files are hostile. The program imports only
the standard library, and mat2 to clean pictures. `pdf_parts` is the program for a PDF.

mat2 0.13.3 lists no hidden parts. Its copies have lost parts that a page shows, such as the numbers of lists.
mat2 also leaves comments in an .odt, and refuses a .docx with comments.
"""

import bisect
import importlib
import io
import json
import posixpath
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET  # expat and the sandbox's limits stop XML bombs
from xml.sax import saxutils

OFFICE = frozenset({".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".odg"})
_PRESENTATIONS = frozenset(
    {".pptx", ".odp", ".odg"}
)  # a drawing shows better than colours which texts no one sees
_LAST_BYTES = {".jpg": b"\xff\xd9", ".png": b"IEND\xaeB`\x82"}  # of a picture
_PART_BYTES = 50_000_000  # limit of one member of the zip, unpacked
_PARTS = 5_000

_NAMES = 12  # shown of each kind
_NAME_CHARS = 200
_MOST = 1_048_576  # rows of a sheet; a file may claim any number
_ANCESTORS = 20  # of a style
_LENGTH = re.compile(r"(-?\d+(?:\.\d+)?)(mm|cm|in|pt)")
_MM = {"mm": 1.0, "cm": 10.0, "in": 25.4, "pt": 25.4 / 72}
_MOVED = re.compile(r"translate *\(([^ ,)]+)[ ,]+([^ ,)]+)\)")

_WORD = (  # the second is the namespace of "strict" files
    "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}",
    "{http://purl.oclc.org/ooxml/wordprocessingml/main}",
)
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_SLIDES = "{http://openoffice.org/2009/office}"  # of LibreOffice, for comments on slides
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_DC = "{http://purl.org/dc/elements/1.1/}"


def _named(names: str, *prefixes: str) -> set[str]:
    return {prefix + name for name in names.split() for prefix in prefixes}


_UNWRAPPED = _named("ins moveTo", *_WORD)  # the mark is removed, but its text stays
_CHANGES = {_TEXT + "changed-region"} | _UNWRAPPED | _named(
    "del moveFrom cellIns cellDel cellMerge numberingChange pPrChange rPrChange sectPrChange tblGridChange"
    " tblPrChange tblPrExChange tcPrChange trPrChange",
    *_WORD,
) | _named("cell-content-change insertion deletion movement", _TABLE)  # fmt: skip
_SHOWN_CHANGES = _named("ins del moveFrom moveTo", *_WORD)
_SETTINGS = _named("settings", *_WORD)
_COMMENTS = _named("annotation", _OFFICE, _SLIDES) | _named("comment", *_WORD)
_OPEN_DESCRIPTIONS = _named("title desc", "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}")
_DESCRIBED = {"docPr", "cNvPr"}  # a picture or a shape
_FILE_NAME = re.compile(r".*\.\w{3,4}")
_OPEN_MARKS = _named("tracked-changes change change-start change-end", _TEXT)
_MARKS = _OPEN_MARKS | _named(
    "commentRangeStart commentRangeEnd commentReference moveFromRangeStart moveFromRangeEnd moveToRangeStart"
    " moveToRangeEnd customXmlInsRangeStart customXmlInsRangeEnd customXmlDelRangeStart customXmlDelRangeEnd",
    *_WORD,
) | {_OFFICE + "annotation-end", _SLIDES + "annotation-end", _TABLE + "tracked-changes"}  # fmt: skip
_REMOVED = ((_CHANGES | _COMMENTS) - _UNWRAPPED) | _MARKS | {_PRESENTATION + "notes"} | _OPEN_DESCRIPTIONS

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
# Every other part, such as an older version or the cache of a pivot table, is one that no page shows.
_ORDINARY_PART = re.compile(
    r"mimetype|.*/|\[Content_Types\]\.xml|(.*/)?_rels/.*|(docProps|customXml)/.*|(content|styles|settings|meta"
    r"|META-INF/manifest)\.xml|manifest\.rdf|layout-cache|(Pictures|Configurations2|Obj[^/]+)/.*"
    r"|(word|xl|ppt)/(((document|styles|stylesWithEffects|settings|webSettings|fontTable|numbering|header|footer"
    r"|footnotes|endnotes|comments\w*|workbook|sharedStrings|calcChain|connections|presentation|presProps"
    r"|viewProps|tableStyles)\d*\.xml)|(theme|media|fonts|charts|chartsheets|worksheets|drawings|diagrams|tables"
    r"|slides|slideLayouts|slideMasters|notesSlides|notesMasters|handoutMasters|revisions|externalLinks)/.*)"
)
# Parts that other parts refer to, so they are read first: looks of texts, and names of people.
_READ_FIRST = re.compile(r"(^|/)(styles|sharedStrings|commentAuthors|authors|person[^/]*)\.xml$")

# Attributes that hide an element. Names have no namespace, because two namespaces are in use for each name.
_HIDING = re.compile(
    r"(?P<sheets>sheet state=hidden)|(?P<deep_sheets>sheet state=veryhidden)|(?P<slides>sld show=0)"
    r"|(?P<rows>row (?:hidden=1|ht=0)|sheetFormatPr zeroHeight=1|table-row visibility=(?:collapse|filter))"
    r"|(?P<columns>col (?:hidden=1|width=0)|table-column visibility=(?:collapse|filter))"
    r"|(?P<hidden>(?:cNvPr|docPr|definedName) hidden=1|section display=none|layer display=(?:none|printer)"
    r"|(?:variable-set|user-field-get) display=none|hidden-(?:text|paragraph) is-hidden=1)"
)
# Attributes of styles, and the values with which they hide a sheet, a slide or a text. A text is also hidden
# if its "ink" has the colour of its "paper".
_LOOKS = re.compile(
    r"(?P<sheets>table-properties display)|(?P<slides>drawing-page-properties visibility)"
    r"|(?P<hidden>vanish val|text-properties display)|(?P<tiny>sz val|text-properties font-size)"
    r"|(?P<ink>color (?:val|rgb|theme|themeColor|indexed)|(?:srgb|scheme)Clr val|text-properties color)"
    r"|(?P<paper>shd fill|fgColor (?:rgb|theme|indexed)"
    r"|(?:text|paragraph|table-cell)-properties background-color)"
)
_VALUES = re.compile(r"sheets=0|slides=hidden|hidden=(?:1|none)|tiny=(?:[0-4]|[0-2](?:\.\d+)?pt)")
_SAME_VALUES = {"true": "1", "on": "1", "false": "0", "off": "0"}
_COLOUR = re.compile(r"#?(?:[0-9a-f]{2})?([0-9a-f]{6})")
_WHITE, _BLACK = "ffffff", "000000"
_NAMED_COLOURS = re.compile(
    r"(white|theme 0|indexed [19]|background1|light1|bg1|lt1)|black|theme 1|indexed [08]|text1|dark1|tx1|dk1"
)
_NO_COLOUR = {"auto", "transparent"}  # a program chooses an ink that people see, or shows the paper behind
_FAINT = 15  # of 255: no one can tell two colours apart that differ less
_Looks = Mapping[str, str]  # for each group of _LOOKS, a colour, or a text that is empty if nothing is hidden

# The parts of a copy: of an OpenDocument file by name, and of other files by type of relationship.
_SHOWN_PART = re.compile(r"mimetype|(content|styles|settings|META-INF/manifest)\.xml|Pictures/[^/]+")
_SHOWN_KIND = re.compile(
    "officeDocument|styles|theme|themeOverride|settings|fontTable|numbering|header|footer|footnotes|endnotes"
    "|image|worksheet|chartsheet|sharedStrings|table|drawing|chart|chartUserShapes|chartColorStyle|chartStyle"
    "|slide|slideLayout|slideMaster|tableStyles|diagram(Data|Layout|QuickStyle|Colors|Drawing)"
)
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_TYPES = "[Content_Types].xml"
_REFERENCE = re.compile(r"\{[^}]*/officeDocument/(2006/)?relationships\}")  # an attribute's namespace
_LINKS = _named("hyperlink", *_WORD)
_OUTSIDE = re.compile(r"[A-Za-z][\w+.-]*:|/|\.\./")  # an address outside the file
_FIELD_ADDRESS = re.compile(r'"((?:[A-Za-z][\w+.-]*:|\\\\)[^"]+)"')  # in the code of a field of Word
_LISTS = re.compile("hyperlinks|externalReferences|tableParts|controls|oleObjects|ext|extLst|custDataLst")
# Elements and attributes that show which files one computer, program or person made or changed.
_TRACES = re.compile(
    "rsids|docId|docVars|absPath|revisionPtr|fileSharing|creationId|sectionLst|nsid|helpText|statusText|listItem"
    "|scenarios|dataValidations|content-validations|user-field-decls"
)
# Texts that a program shows only to someone who chooses a cell or fills in a field.
_PROMPTS = re.compile(
    r"dataValidation (?:prompt|error)(?:Title)?|(?:help|error)-message title"
    r"|(?:text-input|placeholder) description|(?:helpText|statusText|listEntry) val|listItem displayText"
    r"|scenario (?:user|comment)"
)
_CHOICES = re.compile('"([^"]+)"')  # in the rule for the value of a cell
_OPEN_FIELDS = _named(
    "user-field-get user-field-input variable-get variable-set variable-input text-input placeholder", _TEXT
)  # a copy has their texts
# Elements with a value that the writer or a program named, by the attributes of the value.
_NAMED_VALUES = {
    "docVar": ("val",),
    "user-field-decl": ("string-value", "value", "date-value", "time-value", "boolean-value", "formula"),
}
_TRACED = {"absPath": "url", "fileSharing": "userName"}
_WITH_VALUES = {*_NAMED_VALUES, *_TRACED} | _named(
    "dataValidation content-validation help-message error-message text-input placeholder helpText statusText"
    " listEntry listItem scenario config-item",
    "",
)
_TRACE = re.compile(r"\{.*\}(rsid\w*|paragraph-rsid)|\{.*/revision\d*\}uid")
_PRINTER = re.compile("Printer(Name|Setup)$|Rsid")


# ---- list ------------------------------------------------------------------------------------------


class _Found:
    """Hidden parts that were found so far, and the names and styles that other parts refer to."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.names: dict[str, dict[str, None]] = {}
        self.details: list[tuple[str, str, str]] = []
        self.people: dict[str, str] = {}
        self.styles: dict[str, tuple[str, _Looks]] = {}  # by name: its parent's name, and its own looks
        self.slides: dict[str, tuple[float, float]] = {}  # width and height, by the name of the master slide
        self.inks: list[list[_Looks]] = []  # of each text that several cells of an .xlsx can share
        self.columns: list[tuple[int, str]] = []  # of a sheet of an .ods: their end, the style of their cells

    def add(self, kind: str, *names: str, number: int = 1) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + number
        names_of_kind = self.names.setdefault(kind, {})
        for name in filter(None, map(str.strip, names)):
            if len(names_of_kind) < _NAMES:
                names_of_kind[name[:_NAME_CHARS]] = None

    def add_columns(self, number: int, style: str) -> None:
        end = self.columns[-1][0] if self.columns else 0
        self.columns.append((end + number, style))

    def style_of_column(self, at: int) -> str:
        place = bisect.bisect_right(self.columns, at, key=lambda column: column[0])
        return "".join(style for _, style in self.columns[place : place + 1])

    def looks_of_style(self, name: str) -> _Looks:
        looks: _Looks = {}
        for _ in range(_ANCESTORS):
            name, own = self.styles.get(name, ("", {}))
            looks = {**own, **looks}
        return looks


def findings(path: str) -> list[tuple[str, str, str]]:
    """Return the hidden parts and the metadata of an office file, as tuples of three texts.

    For hidden parts, the texts are the kind, the number of parts, and names, such as the names of authors.
    The kind "unread" counts the parts that cannot be read. For metadata, the texts are "detail", the name
    and the value.
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
    if Path(path).suffix in _PRESENTATIONS:
        found.counts.pop("faint", 0)
    counts = [(kind, str(count), ", ".join(found.names[kind])) for kind, count in found.counts.items()]
    return found.details + [each for each in counts if each[1] != "0"]


def _look_part(found: _Found, name: str, raw: bytes) -> None:
    kinds = [kind for kind, pattern in _PARTS_BY_NAME.items() if pattern.search(name)]
    is_known = kinds or _ORDINARY_PART.fullmatch(name) or _REMOVED_PART.search(name)
    for kind in kinds or ([] if is_known else ["custom"]):
        found.add(kind, name)
    if name == "meta.xml" or (name.startswith("docProps/") and name.endswith(".xml")):
        found.details += _details(_tree(raw))
    if raw and name.endswith(
        (".xml", ".rels")
    ):  # LibreOffice can write an empty part for keys of the keyboard
        _look(found, name, _tree(raw))


def _details(tree: ET.Element) -> Iterator[tuple[str, str, str]]:
    for part in tree:  # a property of one's own has its name in an attribute
        for each in part.iter():
            if each.text and each.text.strip():
                own = part.get("name", "")
                yield "named" if own else "detail", own or _local(each.tag), each.text.strip()


def _look(found: _Found, name: str, tree: ET.Element) -> None:
    _learn_styles(found, tree)
    _learn_slides(found, tree)
    if _READ_FIRST.search(name):
        found.people.update((each.get("id", ""), _attribute(each, "name", "displayName")) for each in tree)
    authors = tree.iterfind("{*}authors/{*}author")
    found.people.update((str(place), each.text or "") for place, each in enumerate(authors))
    if name.startswith("xl/revisions/"):
        found.add("changes", *(each.get("userName", "") for each in tree), number=len(tree) * ("Log" in name))
    is_comments = _REMOVED_PART.search(name) is not None
    if _local(tree.tag) == "sst":
        found.inks = [[_looks_of(each) for each in text.iterfind("{*}r/{*}rPr")] for text in tree]
        return
    waiting: list[tuple[ET.Element, _Looks]] = [(tree, {})]
    while waiting:  # without recursion: a file can have any number of levels
        each, around = waiting.pop()
        looks = _looks_here(found, each, around)
        _look_element(found, each, is_comments=is_comments)
        if _local(each.tag) in _WITH_VALUES:
            _look_values(found, each)
        if _local(each.tag) == "page":
            _look_outside(found, each)
        _look_looks(found, each, looks)
        waiting += reversed(list(_children(found, each, looks)))


def _look_element(found: _Found, each: ET.Element, *, is_comments: bool) -> None:
    tag = _local(each.tag)
    for key, value in each.attrib.items():
        hides = _HIDING.fullmatch(f"{tag} {_local(key)}={_same(value)}")
        if (
            hides and hides.lastgroup and not each.get("name", "").startswith("_xlnm.")
        ):  # of a filter of Excel
            found.add(hides.lastgroup, each.get("name") or "?" if tag == "sheet" else "", number=_times(each))
    if tag == "trPr" and each.find("{*}hidden") is not None:
        found.add("rows")
    if each.tag in _CHANGES:
        found.add("changes", *_people(found, each))
    if each.tag in _COMMENTS or (is_comments and tag in _COMMENT_TAGS):
        people = _people(found, each)
        is_copy = any(name.startswith("tc=") for name in people)  # of a comment in another part
        found.add("comments", *(() if is_copy else people), number=not is_copy)
    named = each.get("name", "") if tag in _DESCRIBED else ""
    texts = [each.get(key, "") for key in ("descr", "title") if tag in _DESCRIBED]
    texts += [each.text or ""] if each.tag in _OPEN_DESCRIPTIONS else []
    texts += [named] if _FILE_NAME.fullmatch(named) else []
    if any(map(str.strip, texts)):
        found.add("described", *texts)
    for address in _FIELD_ADDRESS.findall(_field_code(each)):
        found.add("links", address)
    target = _attribute(each, "Target" if each.get("TargetMode") == "External" else "href")
    target = _attribute(each, "connection", "url", "sourceFile") if tag in _SOURCES else target
    if target and (tag in _SOURCES | {"Relationship"} or _OUTSIDE.match(target)):
        found.add("links", target)


def _field_code(each: ET.Element) -> str:
    return (each.text or "") if _local(each.tag) == "instrText" else _attribute(each, "instr")


def _look_values(found: _Found, each: ET.Element) -> None:
    tag = _local(each.tag)
    if any(map(str.strip, prompts := _prompts(each, tag))):
        found.add("prompts", *prompts)
    if value := _attribute(each, *_NAMED_VALUES.get(tag, ())):
        found.details.append(("named", _attribute(each, "name"), value))
    if value := _attribute(each, _TRACED.get(tag, "")):
        found.details.append(("detail", tag, value))
    if _attribute(each, "name") == "PrinterName" and each.text:
        found.details.append(("detail", "PrinterName", each.text))


def _prompts(each: ET.Element, tag: str) -> list[str]:
    texts = [value for key, value in each.attrib.items() if _PROMPTS.fullmatch(f"{tag} {_local(key)}")]
    if tag.endswith("-message"):
        texts += ["".join(part.itertext()) for part in each]
    rules = ["".join(part.itertext()) for part in each.iterfind("{*}formula1") if tag == "dataValidation"]
    rules += [_attribute(each, "condition") if tag == "content-validation" else ""]
    return texts + [choice for rule in rules for choice in _CHOICES.findall(rule)]


def _look_looks(found: _Found, each: ET.Element, looks: _Looks) -> None:
    tag = _local(each.tag)
    kind = {"table": "sheets", "page": "slides"}.get(tag, "")
    if looks.get(kind):
        found.add(kind, _attribute(each, "name"))
    if tag in {"t", "v", "p", "h", "span", "a"} and (each.text or "").strip():
        is_hidden = looks.get("hidden") or looks.get("tiny")
        found.add("hidden" if is_hidden else "faint", number=bool(is_hidden or _is_faint(looks)))
    if tag == "c" and each.get("t") == "s":
        place = _number(each.findtext("{*}v"), len(found.inks))
        parts = (part for text in found.inks[place : place + 1] for part in text)
        found.add("faint", number=any(_is_faint({**looks, **part}) for part in parts if "ink" in part))
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
    fills = [
        _looks_of(*each.iterfind("{*}patternFill[@patternType='solid']"))
        for each in tree.iterfind("{*}fills/{*}fill")
    ]
    formats = tree.iterfind("{*}numFmts/{*}numFmt")
    unseen = {each.get("numFmtId") for each in formats if re.fullmatch(";;+", each.get("formatCode", ""))}
    for place, each in enumerate(tree.iterfind("{*}cellXfs/{*}xf")):
        font, fill = _number(each.get("fontId"), 0), _number(each.get("fillId"), 0)
        looks = {
            **dict(*fonts[font:][:1]),
            **dict(*fills[fill:][:1]),
            "hidden": "1" * (each.get("numFmtId") in unseen),
        }
        found.styles[f"cell {place}"] = ("", looks)


# ---- objects outside a slide -------------------------------------------------------------------------
# Of a .pptx, `journalist_app.cleaning.unseen_parts` examines the .odp that LibreOffice makes.


def _learn_slides(found: _Found, tree: ET.Element) -> None:
    """Note the size of the slides for each master slide of an .odp."""
    sizes = {
        _attribute(each, "name"): (_length(part, "page-width"), _length(part, "page-height"))
        for each in tree.iterfind(".//{*}page-layout")
        for part in each.iterfind("{*}page-layout-properties")
    }
    for each in tree.iterfind(".//{*}master-page"):
        found.slides[_attribute(each, "name")] = sizes.get(_attribute(each, "page-layout-name"), (0.0, 0.0))


def _look_outside(found: _Found, slide: ET.Element) -> None:
    wide, high = found.slides.get(_attribute(slide, "master-page-name"), (0.0, 0.0))
    for left, top, width, height in _boxes(slide) if wide and high else ():
        found.add("outside", number=left >= wide or top >= high or left + width <= 0 or top + height <= 0)


def _boxes(slide: ET.Element) -> Iterator[tuple[float, float, float, float]]:
    """Yield the place of each object on a slide in millimetres: left, top, width and height."""
    waiting = [slide]
    while waiting:
        each = waiting.pop()
        width, height = _length(each, "width"), _length(each, "height")
        moved = _MOVED.search(_attribute(each, "transform"))
        if moved and (size := width + height):  # the object may be turned around this point
            yield _in_mm(moved[1]) - size, _in_mm(moved[2]) - size, 2 * size, 2 * size
        elif width:
            yield _length(each, "x"), _length(each, "y"), width, height
        elif _local(each.tag) not in {"notes", "annotation"}:
            waiting += each


def _length(each: ET.Element, name: str) -> float:
    return _in_mm(_attribute(each, name))


def _in_mm(text: str) -> float:
    found = _LENGTH.fullmatch(text)
    return float(found[1]) * _MM[found[2]] if found else 0.0


# ---- looks of texts ----------------------------------------------------------------------------------


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


def _children(found: _Found, each: ET.Element, looks: _Looks) -> Iterator[tuple[ET.Element, _Looks]]:
    """Yield each child with its inherited looks. In an .ods, a cell inherits from its row or column too."""
    tag = _local(each.tag)
    if tag == "table":
        found.columns = []
    elif tag == "table-column":
        found.add_columns(_times(each), _attribute(each, "default-cell-style-name"))
    at = 0
    for child in each:
        if tag != "table-row":
            yield child, looks
            continue
        style = _attribute(each, "default-cell-style-name") or found.style_of_column(at)
        yield child, {**looks, **found.looks_of_style(style)} if style else looks
        at += _times(child)


def _looks_of(*properties: ET.Element) -> _Looks:
    looks: dict[str, str] = {}
    for each in (part for one in properties for part in (*one, *one.iterfind("{*}solidFill/*"))):
        shades = [(key, value) for key, value in each.attrib.items() if re.search("[Tt]int|[Ss]hade", key)]
        shade = "".join(map(str, [*shades, *((part.tag, part.attrib) for part in each)]))
        for key, value in each.attrib.items() or [("val", "1")]:
            found = _LOOKS.fullmatch(f"{_local(each.tag)} {_local(key)}")
            if found is None or not found.lastgroup:
                continue
            kind = found.lastgroup
            if kind not in {"ink", "paper"}:
                looks[kind] = "1" * bool(_VALUES.fullmatch(f"{kind}={_same(value)}"))
            elif value not in _NO_COLOUR:
                looks[kind] = _colour(_local(key), value.lower()) + shade
            elif kind == "ink":
                looks[kind] = ""
    return looks


def _colour(key: str, value: str) -> str:
    """Return a colour as six hexadecimal digits, or as its name or number if the file has no digits."""
    name = f"{key} {value}" if key in {"theme", "indexed"} else value
    if named := _NAMED_COLOURS.fullmatch(name):
        return _WHITE if named[1] else _BLACK
    found = _COLOUR.fullmatch(value)
    return found[1] if found else name


def _is_faint(looks: _Looks) -> bool:
    ink, paper = looks.get("ink", ""), looks.get("paper", _WHITE)
    if not (_COLOUR.fullmatch(ink) and _COLOUR.fullmatch(paper)):
        return ink == paper
    pairs = zip(bytes.fromhex(ink), bytes.fromhex(paper), strict=True)
    return all(abs(one - other) <= _FAINT for one, other in pairs)


def _same(value: str) -> str:
    return _SAME_VALUES.get(value.lower(), value.lower())


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


# ---- pictures --------------------------------------------------------------------------------------


def _bytes_after_end(path: str) -> int:
    """Count the bytes after the end of a picture, such as those of a short film that a telephone adds."""
    mark = _LAST_BYTES.get(Path(path).suffix)
    raw = Path(path).read_bytes() if mark else b""
    end = raw.rfind(mark or b"")
    return len(raw[end + len(mark) :].rstrip(b"\0")) if mark and end >= 0 else 0


# ---- copy ------------------------------------------------------------------------------------------


def write_cleaned_copy(path: str, out: str) -> None:
    """Write a copy of an office file with only the parts and texts that its pages show.

    Tracked changes are accepted. The caller must compare what the two files show, because parts of unknown
    types are left out.
    """
    with zipfile.ZipFile(path) as file, zipfile.ZipFile(out, "w") as copy:
        parts = dict(_parts(file, file.infolist()))
        for name, raw in _microsoft_parts(parts) if _TYPES in parts else _open_parts(parts):
            _write(copy, name, raw)


def write_final_copy(path: str, out: str) -> None:
    """Write a copy of an office file that shows its text as if the tracked changes were accepted.

    Raises:
        ValueError: the file has tracked changes, but no settings part in which to hide them.
    """
    has_changes = has_setting = False
    with zipfile.ZipFile(path) as file, zipfile.ZipFile(out, "w") as copy:
        for name, raw in _parts(file, file.infolist()):
            tree = _tree(raw) if name.endswith(".xml") else None
            is_setting = tree is not None and tree.tag in _SETTINGS
            has_setting |= is_setting
            has_changes |= tree is not None and any(each.tag in _SHOWN_CHANGES for each in tree.iter())
            is_open = tree is not None and name == "content.xml"
            _write(copy, name, _rewritten(raw, _hide_changes) if is_setting or is_open else raw)
    if has_changes and not has_setting:
        raise ValueError("pages would show tracked changes")


def _hide_changes(tree: ET.Element) -> None:
    """Hide tracked changes in the text of an OpenDocument file, or in the settings of a .docx.

    An OpenDocument file loses its list of changes and their marks. A .docx says that changes are not shown.
    """
    space = tree.tag.removesuffix("settings")
    if space in _WORD:
        tree.insert(0, ET.Element(space + "revisionView", {space + "insDel": "0", space + "markup": "0"}))
    for parent in tree.iter():
        before = parent
        for child in list(parent):
            if child.tag not in _OPEN_MARKS:
                before = child
                continue
            parent.remove(child)
            if before is parent:
                parent.text = (parent.text or "") + (child.tail or "")
            else:
                before.tail = (before.tail or "") + (child.tail or "")


def _write(copy: zipfile.ZipFile, name: str, raw: bytes) -> None:
    about = zipfile.ZipInfo(name)  # with the first day that a zip can name, not with today
    copy.writestr(about, raw, zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED)


def _open_parts(parts: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the parts of an .odt, .ods, .odp or .odg that its pages show."""

    def keep_entries(tree: ET.Element) -> None:
        tree[:] = [each for each in tree if _attribute(each, "full-path") in {*kept, "/"}]

    kept = sorted(filter(_SHOWN_PART.fullmatch, parts), key=lambda name: name != "mimetype")
    for name in kept:
        is_list = name == "META-INF/manifest.xml"
        yield name, _rewritten(parts[name], keep_entries) if is_list else _part_copy(name, parts[name], set())


def _microsoft_parts(parts: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the parts of a .docx, .xlsx or .pptx that its pages show.

    References to all other parts are removed.
    """
    kept: dict[str, bytes] = {}
    waiting = [""]  # the package itself
    while waiting:
        name = waiting.pop()
        folder, own = posixpath.split("/" + name)
        links, cut = posixpath.join(folder, "_rels", own + ".rels")[1:], set[str]()

        def follow(tree: ET.Element, folder: str = folder, cut: set[str] = cut) -> None:
            for each in list(tree):
                target = posixpath.normpath(posixpath.join(folder, each.get("Target", ""))).lstrip("/")
                if target not in parts or not _is_shown(each, parts[target]):
                    tree.remove(each)
                    cut.add(each.get("Id", ""))
                elif target not in kept:
                    kept[target] = b""
                    waiting.append(target)

        if links in parts:
            kept[links] = _rewritten(parts[links], follow)
        if name:
            kept[name] = _part_copy(name, parts[name], cut)

    def keep_types(tree: ET.Element) -> None:
        tree[:] = [each for each in tree if each.get("PartName", "/")[1:] in {*kept, ""}]

    yield _TYPES, _rewritten(parts[_TYPES], keep_types)
    yield from sorted(kept.items())


def _is_shown(link: ET.Element, target: bytes) -> bool:
    kind = link.get("Type", "").rpartition("/")[2]
    is_hidden_slide = kind == "slide" and _same(_tree(target).get("show", "1")) == "0"
    return (
        _SHOWN_KIND.fullmatch(kind) is not None
        and link.get("TargetMode") != "External"
        and not is_hidden_slide
    )


def _part_copy(name: str, raw: bytes, cut: set[str]) -> bytes:
    """Return a part without tracked changes, comments and metadata.

    References to the relationships in `cut` are removed too.
    """
    if name.endswith(".xml"):
        return _rewritten(raw, lambda tree: _strip(tree, cut))
    return raw if name == "mimetype" else _cleaned_picture(name, raw)


def _cleaned_picture(name: str, raw: bytes) -> bytes:
    """Return a picture without metadata.

    Raises:
        ValueError: mat2 cannot clean this type of file.
    """
    path = Path("part" + Path(name).suffix.lower())
    path.write_bytes(raw)
    parser, _ = importlib.import_module("libmat2.parser_factory").get_parser(str(path))
    if parser is None or not parser.remove_all():
        raise ValueError("a picture that mat2 cannot clean")
    return Path(parser.output_filename).read_bytes()


def _strip(parent: ET.Element, cut: set[str]) -> None:
    parent.attrib = {key: value for key, value in parent.attrib.items() if not _TRACE.fullmatch(key)}
    kept: list[ET.Element] = []

    def add_text(text: str | None) -> None:
        if kept:
            kept[-1].tail = (kept[-1].tail or "") + (text or "")
        else:
            parent.text = (parent.text or "") + (text or "")

    for child in list(parent):
        was_full = len(child) > 0
        _strip(child, cut)
        tag = _local(child.tag)
        _strip_texts(child, tag)
        lost = [key for key, value in child.attrib.items() if _REFERENCE.match(key) and value in cut]
        is_never_shown = _is_never_shown(child, tag)
        is_mark = child.tag in _UNWRAPPED or (lost and child.tag in _LINKS) or _is_open_link(child)
        if is_mark or (child.tag in _OPEN_FIELDS and not is_never_shown):
            add_text(child.text)
            kept.extend(child)
            add_text(child.tail)
        elif (
            (lost and tag != "pageSetup")  # this element has more than the name of a printer
            or (was_full and not len(child) and _LISTS.fullmatch(tag))
            or child.tag in _REMOVED
            or _TRACES.fullmatch(tag)
            or is_never_shown
        ):
            add_text(child.tail)
        else:
            child.attrib = {key: value for key, value in child.attrib.items() if key not in lost}
            kept.append(child)
    parent[:] = kept


def _strip_texts(each: ET.Element, tag: str) -> None:
    """Remove descriptions of pictures, and the codes of fields that contain an address."""
    if tag in _DESCRIBED:
        each.attrib = {key: value for key, value in each.attrib.items() if key not in {"descr", "title"}}
        if _FILE_NAME.fullmatch(each.get("name", "")):
            each.set("name", "")
    if _FIELD_ADDRESS.search(_field_code(each)):
        each.text = "" if tag == "instrText" else each.text
        each.attrib = {key: value for key, value in each.attrib.items() if _local(key) != "instr"}


def _is_open_link(each: ET.Element) -> bool:
    return _local(each.tag) == "a" and _OUTSIDE.match(_attribute(each, "href")) is not None


def _is_never_shown(each: ET.Element, tag: str) -> bool:
    vanishes = each.find("{*}rPr/{*}vanish") if tag == "r" else None
    is_printer = tag == "config-item" and _PRINTER.match(_attribute(each, "name")) is not None
    is_hidden_field = each.tag in _OPEN_FIELDS and _attribute(each, "display") == "none"
    is_vanishing = vanishes is not None and _same(_attribute(vanishes, "val") or "1") == "1"
    return is_printer or is_hidden_field or is_vanishing


# ---- check -----------------------------------------------------------------------------------------


def broken_links(path: str) -> list[str]:
    """Return the names of parts to which an office file refers, and which it does not have."""
    with zipfile.ZipFile(path) as file:
        parts = dict(_parts(file, file.infolist()))
    links: set[str] = set()
    for name, raw in parts.items():
        if name.endswith(".rels") or name in {_TYPES, "META-INF/manifest.xml"}:
            folder = posixpath.dirname(posixpath.dirname("/" + name)) if name.endswith(".rels") else "/"
            for each in _tree(raw):
                target = _attribute(each, "PartName", "full-path") or each.get("Target", "")
                if target and each.get("TargetMode") != "External":
                    links.add(posixpath.normpath(posixpath.join(folder, target)).lstrip("/"))
    return sorted(links - {"", *parts})


# ---- read ------------------------------------------------------------------------------------------


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


def _rewritten(raw: bytes, change: Callable[[ET.Element], object]) -> bytes:
    """Change the XML of a part. All namespace prefixes stay, because some values name a prefix."""
    spaces: dict[str, str] = {}
    for _event, (prefix, space) in ET.iterparse(io.BytesIO(raw), ["start-ns"]):  # noqa: S314  # in the sandbox
        if not re.fullmatch(r"ns\d+", prefix):
            ET.register_namespace(prefix, space)
            spaces.setdefault(prefix, space)
    tree = _tree(raw)
    change(tree)
    made = str(ET.tostring(tree, encoding="unicode"))
    end = made.index(">")
    missing = [
        f" xmlns:{prefix}={saxutils.quoteattr(space)}"
        for prefix, space in spaces.items()
        if prefix and f" xmlns:{prefix}=" not in made[:end]
    ]
    place = len(re.split(r"[\s/>]", made, maxsplit=1)[0])
    return (_XML + made[:place] + "".join(missing) + made[place:]).encode()


def run_hidden_parts(task: str, path: str, out: str = "") -> int:
    """List or remove the hidden parts of the file at `path`. Return 3 after a failure, otherwise 0.

    Task "look" prints each finding as a JSON list, one a line. Task "links" prints the broken links, one a
    line. Task "clean" writes a cleaned copy to `out`. Task "final" writes a copy that hides tracked changes.
    """
    try:
        if task == "look":
            for found in findings(path) if Path(path).suffix in OFFICE else []:
                print(json.dumps(found))  # noqa: T201  # the caller reads the output
            if after := _bytes_after_end(path):
                print(json.dumps(("trailer", str(after), "")))  # noqa: T201
        elif task == "links":
            print(*broken_links(path), sep="\n", end="")  # noqa: T201
        elif task == "clean" and Path(path).suffix in OFFICE:
            write_cleaned_copy(path, out)
        elif task == "clean":
            Path(out).write_bytes(_cleaned_picture(path, Path(path).read_bytes()))
        elif task == "final":
            write_final_copy(path, out)
    except (ET.ParseError, zipfile.BadZipFile, OSError, ValueError, RuntimeError, LookupError):
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(run_hidden_parts(*sys.argv[1:]))
