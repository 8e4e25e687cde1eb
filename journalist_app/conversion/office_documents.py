"""Conversion of office documents to PDF, with Debian's LibreOffice in the sandbox.

LibreOffice recognises a document by its content. The sandbox has no network, so no link of a document is
followed. The profile, which is new in each run, also forbids macros and the updating of links.
"""

from collections.abc import Sequence
from typing import IO, Final

from journalist_app.conversion.converter_run import Converter

_ITEM: Final = (
    '<item oor:path="/org.openoffice.Office.{}">'
    '<prop oor:name="{}" oor:op="fuse"><value>{}</value></prop></item>'
)
_ITEMS: Final = (
    ("Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("Writer/Content/Update", "Link", "2"),  # never
    ("Calc/Content/Update", "Link", "1"),  # never
)
_PROFILE: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry">'
    + "".join(_ITEM.format(*each) for each in _ITEMS)
    + "</oor:items>"
)
# $1 is the number of files, $2 the profile, and $3 the formats. The first start only writes the profile, and
# ends with 81. A start that fails after that is repeated once. Without a cache of its own, LibreOffice would
# try to write to the cache of all users in /usr.
CONVERT: Final = (
    "office=/usr/lib/libreoffice/program/soffice.bin; need $office;"
    ' /usr/bin/mkdir -p profile/user; printf %s "$2" >profile/user/registrymodifications.xcu;'
    ' start() { $office "-env:UserInstallation=file://$HOME/profile"'
    ' "-env:UNO_SHARED_PACKAGES_CACHE=file://$HOME/profile/shared" --headless --convert-to "$2"'
    " --outdir made $(/usr/bin/seq $1) >messages; };"
    ' convert() { start "$@" || start "$@" || start "$@"; };'
)
_TO_FORMS: Final = (
    CONVERT + "at=0; for form in $3; do convert $1 $form; for each in $(/usr/bin/seq $1); do at=$((at + 1));"
    " >out/$at; [ ! -e made/$each.$form ] || /usr/bin/mv made/$each.$form out/$at; done; done;"
)
_ALL_SHEETS: Final = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
_TO_CELLS: Final = (
    CONVERT + 'convert $1 "$3"; for each in $(/usr/bin/seq $1); do >out/$each; for sheet in made/$each-*;'
    ' do [ ! -e "$sheet" ] || { echo "${sheet#made/*-}";'
    ' /usr/bin/cat "$sheet"; } >>out/$each; done; done;'
)


def office_to_pdf(converter: Converter, files: Sequence[IO[bytes]]) -> tuple[bytes, ...]:
    """Convert text documents, spreadsheets and presentations to PDF, in one run of LibreOffice.

    A file that LibreOffice cannot read gives an empty result. A PDF shows what a printed page shows, without
    comments, hidden sheets and hidden slides.

    Raises:
        ConversionRefusedError: LibreOffice is not installed, failed, or exceeded a limit.
    """
    return converter.run(_TO_FORMS, files, len(files), _PROFILE, "pdf").exactly(len(files))


def office_to(converter: Converter, file: IO[bytes], *forms: str) -> tuple[bytes, ...]:
    """Convert an office file to each type in `forms`: "pdf", "odp", "docx" or "xlsx".

    A .docx keeps tracked changes. If LibreOffice cannot read the file, each result is empty.

    Raises:
        ConversionRefusedError: LibreOffice is not installed, failed, or exceeded a limit.
    """
    return converter.run(_TO_FORMS, [file], 1, _PROFILE, " ".join(forms)).exactly(len(forms))


def cells_of_sheets(converter: Converter, files: Sequence[IO[bytes]]) -> tuple[bytes, ...]:
    """Return the names and cells of all sheets of each spreadsheet as text, including hidden sheets.

    Raises:
        ConversionRefusedError: LibreOffice is not installed, failed, or exceeded a limit.
    """
    return converter.run(_TO_CELLS, files, len(files), _PROFILE, _ALL_SHEETS).exactly(len(files))
