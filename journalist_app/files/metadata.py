"""Inspection of files with Debian's mat2 and exiftool in a sandbox: metadata and hidden parts.

The files are hostile. Our own process only compares some of their bytes, and reads the programs' output as a
limited number of short lines of text. The programs run in a bubblewrap sandbox (`programs.sandbox`) with
limits on time, memory and output. They get a copy of the file under a fixed name, so they cannot change the
original file or see its name.
"""

import math
import os
import re
import time
import unicodedata
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec
from flask_babel import LazyString, force_locale

from journalist_app.files import metadata_sentences
from journalist_app.files.file_types import ARCHIVES, DOCUMENTS, HEAD_BYTES, NOT_IN_TEXT, ending_of_file
from programs.errors import NoSandboxError, ProgramFailedError
from programs.runner import ProgramLimits
from programs.sandbox import SANDBOX_FOLDER, Sandbox
from web.languages import read_language

_SHOWN_BYTES = 400_000  # limit of the output of hidden_parts and mat2
_FILE_BYTES = 200_000_000  # of a file that mat2 unpacks
_MEMORY_BYTES = 2_000_000_000
_PROCESSES = 64
_SECONDS = 90.0
_VALUE_CHARS = 200
_LINES_OF_A_KIND = 12

HIDDEN_PARTS, PDF_PARTS = (Path(__file__).with_name(f"{name}_parts.py") for name in ("hidden", "pdf"))
_NAMED = DOCUMENTS | {".zip", ".epub"}
_TEXTS = frozenset({".txt", ".csv", ".json", ".md", ".log"})
_CLOSED = ARCHIVES | {"", ".eml", ".msg", ".html"}  # none of our programs looks into these

# $1 is mat2, $2 the file's ending, $3 and $4 the two programs above. mat2 finds no bubblewrap in bin/, so it
# starts no sandbox of its own. A sandbox inside our sandbox would fail, and the meaning of mat2's option
# against it differs between versions. exiftool examines the types that mat2 does not know. With -ee, exiftool
# also lists the notes for each moment of a film. Each line begins with its moment: "[Doc1] Text: …". The
# program for a PDF writes the photos in the PDF to in-0.jpg, in-1.jpg ….
_INSPECT = (
    "set -e; exec 2>/dev/null; /usr/bin/mkdir bin; /usr/bin/ln -s /usr/bin/exiftool /usr/bin/ffmpeg bin/; "
    'case "$2" in .pdf) /usr/bin/python3 -I -c "$4" "file$2";; *) /usr/bin/python3 -I -c "$3" look "file$2";;'
    ' esac || echo \'["unread", "1", "?"]\'; echo =; case "$2" in .webp|.avif|.mov|.m4a|.3gp|.mp3|.amr|.aac'
    "|.bmp|.mkv|.mpg|.doc|.xls|.ppt|.rtf|.mp4)"
    ' bin/exiftool -S -a --system:all --file:all --composite:all --riff:all --mpeg:all "file$2";'
    ' case "$2" in .mov|.m4a|.3gp|.mp4) bin/exiftool -ee -G3 -S -a "file$2" | /usr/bin/grep "^.Doc"'
    " | /usr/bin/head -c 100000;; esac; exit 0;; esac;"
    ' "$1" --show "file$2" || echo "[-]"; case "$2" in .jpg|.png|.tiff|.heic|.wav) echo; echo =; exec'
    ' bin/exiftool -S -a "file$2";; .pdf) echo; echo =; bin/exiftool -S -a -XMP:all "file$2";'
    ' set -- in-*.jpg; [ ! -e "$1" ] || bin/exiftool -S -a -EXIF:all -XMP:all -IPTC:all "$@";; esac'
)


# ---- mat2 ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileFindings:
    """Metadata and hidden parts that were found in a file.

    `lines` has one sentence for each finding, in the language of its reader. If the file could not be
    examined, `lines` says why.
    """

    lines: tuple[LazyString, ...] = field(repr=False)
    is_examined: bool = True
    is_empty: bool = False  # nothing was found

    def text_in(self, language: str, most: int) -> str:
        """Return the lines as one text of at most `most` characters, in a language of `languages/`.

        If `language` is empty, the reader's language is used. The last line counts the lines that do not fit.
        """
        with force_locale(read_language(language).locale) if language else nullcontext():
            lines = [str(line) for line in self.lines]
            text, more = "\n".join(lines), 0
            while len(text) > most:
                more += 1
                text = "\n".join([*lines[:-more], metadata_sentences.left_out_sentence(more)])
        return text


def not_examined(remark: LazyString) -> FileFindings:
    """Return the findings in a file that was not examined. `remark` says why."""
    return FileFindings((remark,), is_examined=False)


@dataclass(frozen=True, slots=True)
class Mat2:
    """Runner of mat2 and exiftool with their limits.

    Both run only in a sandbox. Without it, a hostile file that takes over mat2 could do everything that the
    adviser's own programs can do.
    """

    mat2: Path = Path("/usr/bin/mat2")
    bwrap: Path = Path("/usr/bin/bwrap")

    def inspect(self, file: IO[bytes], name: str, until: float = math.inf) -> FileFindings:
        """Return a file's metadata and hidden parts as sentences, or a sentence about why inspection failed.

        `name` is the file's original name. The programs must end before `until`, on the monotonic clock.
        """
        ending = type_of(file, name)
        refusal = self._refusal(file, ending)
        if refusal:
            return not_examined(refusal)
        try:
            output = self._run(_INSPECT, file, ending, until).decode("utf-8", "replace")
            hidden, _, shown = output.partition("=\n")
            found = _found(hidden, *shown.partition("\n=\n")[::2], ending)
        except NoSandboxError:
            return not_examined(metadata_sentences.NO_SANDBOX)
        except (OSError, ProgramFailedError, msgspec.MsgspecError, KeyError):
            return not_examined(metadata_sentences.FAILED)
        if found["locked"]:
            return not_examined(metadata_sentences.LOCKED)
        lines = _sentences(found)
        none = metadata_sentences.PLAIN_TEXT if ending == ".txt" else metadata_sentences.NOTHING
        return FileFindings(lines or (none,), is_empty=not lines)

    def _refusal(self, file: IO[bytes], ending: str) -> LazyString | None:
        if not os.pread(file.fileno(), 1, 0):
            return metadata_sentences.EMPTY
        if ending in _CLOSED:
            return metadata_sentences.UNKNOWN_TYPE
        return None if self.mat2.exists() else metadata_sentences.NO_MAT2

    def _run(self, script: str, file: IO[bytes], ending: str, until: float) -> bytes:
        os.lseek(file.fileno(), 0, os.SEEK_SET)  # the sandbox reads from here
        seconds = max(0.0, min(_SECONDS, until - time.monotonic()))
        limits = ProgramLimits(seconds, _MEMORY_BYTES, _SHOWN_BYTES, _FILE_BYTES, _PROCESSES)
        source = f"--ro-bind-data {file.fileno()} {SANDBOX_FOLDER}/file{ending}"
        programs = (each.read_text("utf-8") for each in (HIDDEN_PARTS, PDF_PARTS))
        command = ("/bin/sh", "-c", script, "sh", str(self.mat2), ending, *programs)
        return Sandbox(self.bwrap).run(command, limits, (file.fileno(),), source.split())


def type_of(file: IO[bytes], name: str) -> str:
    """Return the usual ending for the content of a file, or an empty text if the type is unknown.

    `name` has an effect only if the content is a zip file of an unknown type, or a text in an old encoding.
    """
    named, found = PurePosixPath(name).suffix.lower(), ending_of_file(file)
    if found == ".zip" and named in _NAMED:
        return named
    first = os.pread(file.fileno(), HEAD_BYTES, 0)
    is_text = not found and named in _TEXTS and not NOT_IN_TEXT.search(first.decode("latin-1"))
    return ".txt" if is_text else found


# ---- findings --------------------------------------------------------------------------------------


_TECHNICAL = re.compile(  # says nothing about people, and is not shown
    "^(exif|exiftool|flashpix|gps|applicationrecord|minor|bwf|mpegaudio|vorbis)version|byteorder|^components"
    "|^colorspace|^compression$|resolution|^ycbcr|(thumbnail|image)(offset|length)$|scale$|^mediadata|digest$"
    "|brands?$|^handler|^headingpairs|^titlesofparts|^i$"  # their titles are listed one by one
    "|^format$|toolkit$|imagesize$|^warning$|^profile|^colorprofile|^transferchar|^picture(mime)?type$"
    "|^gps.*ref$|^gps(mapdatum|satellites|status|measuremode|dop)$|^subsec|^rating|^docsecurity|^orientation$"
    "|^exifimage|brands$|^cleanaperture|^colorprimaries|matrix|trc$|^cmm"
    "|^chromatic|illuminant$|whitepoint$|^renderingintent|^deviceattributes|^primaryplatform"
    "|headerversion$|duration$|^preferred|^(preview|poster|selection|current)time$|^(next)?trackid$|^track(layer|volume)$"
    "|^(source)?image(width|height)$|^medialanguagecode|^graphicsmode|^opcolor|^compressorid|^bitdepth|^balance"
    "|^pixelaspect|^buffersize|bitrate$|framerate$|^audio(format|channels|bitspersample|samplerate|codec)"
    "|^vendor|aperturedimensions$|pixelsdimensions$|^purchasefileformat|^layoutflags|^filelength|^datapackets"
    "|^preroll|^flags|packetsize$|^aspectratio|^stream(type|number)|^errorcorrection|^timeoffset|^videocodec"
    "|^(block|frame)size|^samplerate|^channels|^bitspersample|^totalsamples|^rotation|^md5signature|^fileid$"
    "|^transparentcolor|^significantbits|^fonttable|^otherformat|^gen(balance|flags|graphicsmode|opcolor)"
    "|^devicem(anufacturer|odel)$"  # of a colour profile
    "|^(words|paragraphs|characters.*|lines|presentationformat|palette|createsystem|userdefined|metadata)$"
)
_CAMERA = re.compile(  # its settings, which are told in one line
    "aperture|brightness|circleofconfusion|hyperfocal|zoomratio|^exposure|^fnumber|focal|^fov$|^iso|lightvalue"
    "|shutter|^scene|sensingmethod|metering|whitebalance|^flash|^subjectarea|^scalefactor|^contrast$|saturation"
    "|sharpness|lightsource|^gaincontrol|^customrendered|^filesource|^cfapattern|^acceleration|^runtime|^hdr"
)
_NO_VALUE = re.compile(r"|0|-1|false|0000:00:00 00:00:00Z?|00000000-0000-0000-0000-000000000000")
_KEYS = (
    ("place", "^gps|location|city|country|latitude|longitude|province"),
    ("time", "date|time|^created$|^modified$|printed$|when$"),
    (
        "device",
        (
            "^make$|model|serial|lens|software|producer|application|generator|tool|host|version|template|device"
            "|encode|printername|agent$"
        ),
    ),
    (
        "person",
        (
            "author|(cre|origin)ator$|artist|owner|edby$|byline|rights?$|company|manager|uname|credit"
            "|contact|personin|regionname|filesharing|email|telephone"
        ),
    ),
)

_NOT_READ = '["unread", "1", "?"]'
_Found = dict[str, dict[tuple[str, str], None]]  # without repetitions, in order


def _found(hidden: str, shown: str, again: str, ending: str) -> _Found:
    """Merge the findings of our own programs (`hidden`), of mat2 (`shown`) and of exiftool (`again`).

    If a file has two values with the same name, mat2 shows only one of them, and exiftool shows both.
    """
    found: _Found = {about: {} for about in ("locked", *metadata_sentences.DETAILS)}
    if shown.startswith("[-]"):  # mat2 could not read the file
        if not set(hidden.splitlines()) - {_NOT_READ}:
            raise ProgramFailedError
        hidden += "" if '"unread"' in hidden else _NOT_READ
    for line in dict.fromkeys(hidden.splitlines()):
        kind, key, value = msgspec.json.decode(line, type=tuple[str, str, str])
        if kind == "detail":
            _add(found, key, value, ending)
        else:
            found[kind][_plain(key), _plain(value)] = None
    lines = [(line.strip(), ending) for line in shown.split("\n") if not line.lstrip().startswith("[+")]
    names, moments = {line.partition(": ")[0] for line, _ in lines}, dict[str, str]()
    lines += [
        (line, "" if ending == ".pdf" else ending)
        for line in again.split("\n")
        if ending == ".pdf" or line.partition(": ")[0] in names
    ]
    if ending == ".tiff" and len(set(re.findall(r"^ImageWidth: \d+$", again, re.MULTILINE))) > 1:
        found["thumbnail"]["", ""] = None
    for line, about in lines:
        key, _, value = line.partition(": ")
        moment, _, name = key.partition("] ")
        if not name:
            _add(found, key, value, about)
        elif not name.startswith("Sample") and value and moments.setdefault(name, moment) == moment:
            found["timed"][_plain(name), _plain(value)] = None
    return found


def _add(found: _Found, key: str, value: str, ending: str) -> None:
    word = re.sub(r"[^a-z]", "", key.rpartition(":")[2].lower())
    value = re.sub(r"""^\[['"](.*)['"]\]$""", r"\1", value).replace(
        "', '", ", "
    )  # mat2 shows lists as Python does
    about = next((about for about, pattern in _KEYS if re.search(pattern, word)), "other")
    if ending == ".pdf" and word == "creator":
        about = "device"  # in a PDF, but not in its XMP, the creator is a program, and the author a person
    if re.match(r"\W*\(Binary data", value) and re.search(
        "thumbnail|preview|jpgfromraw|picture|coverart|mpimage", word
    ):
        about = "thumbnail"
    line = (_plain(key.rpartition(":")[2]), _plain(value))
    if _TECHNICAL.search(word) or _NO_VALUE.fullmatch(line[1]):
        return
    is_camera = _CAMERA.search(word) is not None
    found["camera" if is_camera else about][("", "") if is_camera else line] = None


def _plain(text: str) -> str:
    """Remove the control characters from a text of a hostile file, cut off a long text, and return it.

    Control characters also include the invisible characters that change the direction of writing.
    """
    text = "".join(each for each in text if not unicodedata.category(each).startswith("C")).strip()
    return text if len(text) <= _VALUE_CHARS else text[:_VALUE_CHARS] + "…"


def _sentences(found: _Found) -> tuple[LazyString, ...]:
    lines: list[LazyString] = []
    for about, details in found.items():
        lines += [
            metadata_sentences.detail_sentence(about, key, value)
            for key, value in islice(details, _LINES_OF_A_KIND)
        ]
        more = len(details) - _LINES_OF_A_KIND
        if more > 0:
            lines.append(LazyString(metadata_sentences.more_details_sentence, more))
    return tuple(dict.fromkeys(lines))
