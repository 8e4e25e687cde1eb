"""Copies of files that may be offered: a cleaned copy that shows the same, or pictures of the pages in a PDF.

A cleaned copy is offered only if nothing hidden is found in the copy, each link in the copy leads to a part
that exists, and a second program finds that the copy and the original show the same. Otherwise pictures of
the pages are offered. A copy that cannot be checked is never offered.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Final

from flask_babel import LazyString

from journalist_app.cleaning import cleaners, copy_sentences, shown_content
from journalist_app.cleaning.picture_pdf import pdf_of_pictures
from journalist_app.cleaning.same_content import ShownContent, find_difference
from journalist_app.cleaning.unseen_parts import find_unseen_parts
from journalist_app.conversion import office_documents, pdf_documents
from journalist_app.conversion.conversion_limits import PICTURE_SIDE
from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.conversion.pixels import Picture
from journalist_app.errors import ConversionRefusal, ConversionRefusedError
from journalist_app.files.file_examiner import CopyForm, CopyOutcome, SafeCopy
from journalist_app.files.file_types import DOCUMENTS
from journalist_app.files.metadata import FileFindings, Mat2, type_of
from journalist_app.files.metadata_sentences import pictures_sentence

_OTHER_TEXTS: Final = frozenset({".doc", ".rtf"})
_OTHER_DOCUMENTS: Final = frozenset({".xls", ".ppt", ".html"})
_OTHER_PICTURES: Final = frozenset({".webp", ".avif"})
_SAME_ENDINGS: Final = (".jpg .jpeg .jpe .jfif", ".tiff .tif", ".heic .heif", ".mp4 .m4v", ".ogg .oga .opus")


@dataclass(frozen=True, slots=True)
class SandboxedExaminer:
    """Examiner that runs mat2, exiftool and the converters in the sandbox."""

    mat2: Mat2 = field(default_factory=Mat2)

    def inspect(self, file: IO[bytes], name: str, until: float = math.inf) -> FileFindings:
        """Return a file's metadata and hidden parts, or why the file could not be examined."""
        found = self.mat2.inspect(file, name, until)
        if not found.is_examined:
            return found
        more = find_unseen_parts(Converter(self.mat2.bwrap, until), file, type_of(file, name))
        lines = dict.fromkeys((*(() if found.is_empty else found.lines), *more))
        return FileFindings(tuple(lines)) if more else found

    def make_copy(self, file: IO[bytes], name: str, until: float = math.inf) -> CopyOutcome:
        """Make a copy of a file without hidden information, and compare the copy with the original.

        `name` is the file's original name. All programs must end before `until`, on the monotonic clock.
        """
        if not os.pread(file.fileno(), 1, 0):
            return CopyOutcome(None)  # the inspection says that the file is empty
        ending = type_of(file, name)
        converter = Converter(self.mat2.bwrap, until)
        if ending in DOCUMENTS | cleaners.PICTURES | cleaners.RECORDINGS:
            try:
                content = cleaners.make_cleaned_copy(converter, file, ending)
                remark = self._fault_of_copy(converter, file, content, ending)
            except ConversionRefusedError as why:
                remark = copy_sentences.words_of_refusal(why.reason)
            if remark is None:
                copy = SafeCopy(CopyForm.CLEANED, name_of_type(name, ending), content)
                return CopyOutcome(copy, (copy_sentences.CLEANED,))
        else:
            remark = copy_sentences.words_of_type(ending)
        try:
            content, pages = _pages_as_pictures(converter, file, ending)
        except ConversionRefusedError as why:
            has_pages = why.reason is not ConversionRefusal.UNKNOWN
            more = [copy_sentences.words_of_refusal(why.reason)] if has_pages else []
            return CopyOutcome(None, tuple(dict.fromkeys([remark, *more])))
        copy = SafeCopy(CopyForm.PAGES, name_of_type(name, ".pdf"), content, pages)
        return CopyOutcome(copy, (remark, pictures_sentence(pages)))

    def _fault_of_copy(
        self, converter: Converter, file: IO[bytes], content: bytes, ending: str
    ) -> LazyString | None:
        """Return a sentence about the first fault of a cleaned copy, or None if the copy is sound.

        Raises:
            ConversionRefusedError: the copy cannot be compared with the original.
        """
        with memory_file(content) as copy:
            found = self.inspect(copy, "copy" + ending, converter.until)
            if not found.is_empty:
                return copy_sentences.words_of_findings(found.lines)
            if ending in DOCUMENTS and cleaners.has_broken_links(converter, copy, ending):
                return copy_sentences.LINKS
            difference = find_difference(*_both_shown(converter, file, copy, ending))
            return copy_sentences.words_of_difference(difference) if difference else None


def name_of_type(name: str, ending: str) -> str:
    """Return a file name with an ending that fits the type of the file."""
    path = PurePosixPath(name)
    same = next((endings for endings in _SAME_ENDINGS if ending in endings.split()), ending)
    return name if path.suffix.lower() in same.split() else path.stem + ending


def _both_shown(converter: Converter, file: IO[bytes], copy: IO[bytes], ending: str) -> list[ShownContent]:
    if ending in cleaners.RECORDINGS:
        return shown_content.heard_in_recordings(converter, file, copy)
    if ending in cleaners.PICTURES:
        return shown_content.shown_by_pictures(converter, [file, copy], ending)
    with memory_file(cleaners.make_final_copy(converter, file, ending)) as final:
        return shown_content.shown_by_documents(converter, [final, copy], ending)


def _pages_as_pictures(converter: Converter, file: IO[bytes], ending: str) -> tuple[bytes, int]:
    """Return a PDF of pictures of a file's pages, and the number of pages.

    Raises:
        ConversionRefusedError: the pages cannot be drawn. The reason is UNKNOWN if this type of file
            has no pages.
    """
    digests: list[bytes] = []

    def noted(pictures: Iterator[Picture]) -> Iterator[Picture]:
        for picture in pictures:
            digests.append(shown_content.digest_of_picture(picture))
            yield picture

    made = pdf_of_pictures(noted(_pictures(converter, file, ending)))
    with memory_file(made) as pdf:
        if not shown_content.has_pictures(converter, pdf, digests):
            raise ConversionRefusedError(ConversionRefusal.FAILED)
    return made, len(digests)


def _pictures(converter: Converter, file: IO[bytes], ending: str) -> Iterator[Picture]:
    if ending in cleaners.PICTURES | _OTHER_PICTURES:
        yield from shown_content.decode_all(converter, file, ending, PICTURE_SIDE).pictures
    elif ending in DOCUMENTS:
        with memory_file(cleaners.make_final_copy(converter, file, ending)) as final:
            yield from _drawn_document(converter, final)
    elif ending in _OTHER_TEXTS:  # only a .docx has a setting that hides tracked changes
        (made,) = office_documents.office_to(converter, file, "docx")
        with memory_file(made) as text:
            yield from _pictures(converter, text, ".docx")
    elif ending in _OTHER_DOCUMENTS:
        yield from _drawn_document(converter, file)
    elif ending == ".pdf":
        yield from _drawn_pages(converter, file)
    else:
        raise ConversionRefusedError(ConversionRefusal.UNKNOWN)


def _drawn_document(converter: Converter, file: IO[bytes]) -> Iterator[Picture]:
    (made,) = office_documents.office_to_pdf(converter, [file])
    with memory_file(made) as pdf:
        yield from _drawn_pages(converter, pdf)


def _drawn_pages(converter: Converter, pdf: IO[bytes]) -> Iterator[Picture]:
    for page in range(1, shown_content.count_few_pages(converter, pdf) + 1):
        yield pdf_documents.convert_page(converter, pdf, page).picture
