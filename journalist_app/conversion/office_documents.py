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
# The first start only writes the profile, and ends with 81.
_TO_PDF: Final = (
    "office=/usr/lib/libreoffice/program/soffice.bin; need $office;"
    ' /usr/bin/mkdir -p profile/user; printf %s "$2" >profile/user/registrymodifications.xcu;'
    ' convert() { $office "-env:UserInstallation=file://$HOME/profile" --headless --convert-to pdf'
    " --outdir pdf $(/usr/bin/seq $1) >messages; };"
    " convert $1 || [ $? = 81 ]; [ -e pdf ] || convert $1;"
    " for each in $(/usr/bin/seq $1); do if [ -e pdf/$each.pdf ]; then /usr/bin/mv pdf/$each.pdf out/$each;"
    " else : >out/$each; fi; done;"
)


def office_to_pdf(converter: Converter, files: Sequence[IO[bytes]]) -> tuple[bytes, ...]:
    """Return a PDF of each text document, spreadsheet or presentation, all made by one run of LibreOffice.

    A file that LibreOffice cannot read gives an empty result. A PDF shows what a printed page shows, without
    comments, hidden sheets and hidden slides.

    Raises:
        ConversionRefusedError: LibreOffice is not installed, failed, or exceeded a limit.
    """
    return converter.run(_TO_PDF, files, len(files), _PROFILE).exactly(len(files))
