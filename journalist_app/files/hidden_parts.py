"""Program that lists tracked changes, comments and authors' names in office files, or removes them in a copy.

No module imports this file. `journalist_app.files.metadata` runs it as a program, with the system's Python in
the sandbox, because the office files are hostile. The program imports only the standard library.

mat2 0.13.3 lists neither tracked changes nor comments. mat2 leaves comments in an .odt, leaves changes of
layout with their author's name, and refuses a .docx with comments. So this program removes these before mat2
runs.
"""

import io
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET  # expat and the sandbox's limits stop XML bombs

OFFICE = frozenset({".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".odg"})
_PART_BYTES = 50_000_000  # limit of one member of the zip, unpacked
_PARTS = 5_000

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_DC = "{http://purl.org/dc/elements/1.1/}"


def _named(prefix: str, names: str) -> set[str]:
    return {prefix + name for name in names.split()}


_UNWRAPPED = _named(_WORD, "ins moveTo")  # the mark is removed, but its text stays
_CHANGES = {_TEXT + "changed-region"} | _UNWRAPPED | _named(
    _WORD,
    "del moveFrom cellIns cellDel cellMerge numberingChange pPrChange rPrChange sectPrChange tblGridChange"
    " tblPrChange tblPrExChange tcPrChange trPrChange",
)  # fmt: skip
_COMMENTS = {_WORD + "comment", _OFFICE + "annotation"}
_MARKS = _named(_TEXT, "tracked-changes change change-start change-end") | _named(
    _WORD,
    "commentRangeStart commentRangeEnd commentReference moveFromRangeStart moveFromRangeEnd moveToRangeStart"
    " moveToRangeEnd customXmlInsRangeStart customXmlInsRangeEnd customXmlDelRangeStart customXmlDelRangeEnd",
) | {_OFFICE + "annotation-end"}  # fmt: skip
_REMOVED = ((_CHANGES | _COMMENTS) - _UNWRAPPED) | _MARKS

# Members of a .docx, .xlsx or .pptx that contain only comments and the names of their authors.
_COMMENT_PART = re.compile(
    r"(^|/)(comments[^/]*|commentAuthors|people|threadedComment[^/]*|modernComment[^/]*|authors)\.xml$"
    r"|(^|/)(comments|threadedComments|persons)/"
)
_COMMENT_TAGS = {"comment", "cm", "threadedComment"}


def findings(path: str) -> list[tuple[str, str, str]]:
    """Return the hidden parts and metadata of an office file, as tuples of three texts.

    For hidden parts, a tuple has the kind ("changes", "comments" or "hidden"), the number, and the authors.
    For metadata, a tuple has the word "detail", the name, and the value.
    """
    counts = {"changes": 0, "comments": 0, "hidden": 0}
    names: dict[str, dict[str, None]] = {kind: {} for kind in counts}
    details: list[tuple[str, str, str]] = []
    with zipfile.ZipFile(path) as file:
        for name, raw in _parts(file):
            if name == "meta.xml" or (name.startswith("docProps/") and name.endswith(".xml")):
                details += [
                    ("detail", _local(each.tag), each.text.strip())
                    for each in _tree(raw).iter()
                    if each.text and each.text.strip()
                ]
            elif name.endswith(".xml"):
                is_comments = _COMMENT_PART.search(name) is not None
                for each in _tree(raw).iter():
                    kind = _kind(each, is_comments=is_comments)
                    if kind:
                        counts[kind] += 1
                        names[kind].update(dict.fromkeys(_people(each)))
    return details + [(kind, str(count), ", ".join(names[kind])) for kind, count in counts.items() if count]


def write_cleaned_copy(path: str, out: str) -> None:
    """Write a copy of an office file in which tracked changes are accepted and comments are removed."""
    with zipfile.ZipFile(path) as file, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for name, raw in _parts(file):
            if _COMMENT_PART.search(name):
                continue
            if name.endswith((".rels", "[Content_Types].xml")):
                kept = _rewritten(raw, _remove_references)
            elif name.endswith(".xml") and re.match(r"(word/|content\.xml$|styles\.xml$)", name):
                kept = _rewritten(raw, _accept)
            else:
                kept = raw
            kind = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            copy.writestr(name, kept, compress_type=kind)


def _parts(file: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    members = file.infolist()
    if len(members) > _PARTS:
        raise ValueError("too many parts")
    for each in members:
        if each.is_dir():
            continue
        with file.open(each) as part:
            raw = part.read(_PART_BYTES + 1)
        if len(raw) > _PART_BYTES:
            raise ValueError("a part is too large")
        yield each.filename, raw


def _tree(raw: bytes) -> ET.Element:
    return ET.fromstring(raw)  # noqa: S314  # the sandbox limits memory and time


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _kind(each: ET.Element, *, is_comments: bool) -> str:
    if each.tag in _CHANGES:
        return "changes"
    if each.tag in _COMMENTS or (is_comments and _local(each.tag) in _COMMENT_TAGS):
        return "comments"
    if each.tag == _WORD + "vanish" or each.get(_TEXT + "display") == "none":
        return "hidden"
    return ""


def _people(each: ET.Element) -> list[str]:
    names = [value for key, value in each.attrib.items() if _local(key) == "author"]
    names += [found.text or "" for found in each.iter(_DC + "creator")]
    return [name.strip() for name in names if name.strip()]


def _rewritten(raw: bytes, change: Callable[[ET.Element], None]) -> bytes:
    tree = _tree_with_prefixes(raw)
    change(tree)
    return bytes(ET.tostring(tree, encoding="UTF-8", xml_declaration=True))


def _remove_references(tree: ET.Element) -> None:
    for each in list(tree):
        if _COMMENT_PART.search(each.get("Target") or each.get("PartName") or ""):
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
    # A file that is not an office file has no findings, and its copy is unchanged.
    is_office = PurePosixPath(path).suffix in OFFICE
    try:
        if task == "look":
            for found in findings(path) if is_office else []:
                print(json.dumps(found))  # noqa: T201  # the caller reads the output
        elif is_office:
            write_cleaned_copy(path, out)
        else:
            shutil.copyfile(path, out)
    except (ET.ParseError, zipfile.BadZipFile, OSError, ValueError, RuntimeError):
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(run_hidden_parts(*sys.argv[1:]))
