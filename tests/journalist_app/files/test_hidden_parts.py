"""Hidden parts of office files: each is listed with its number and names, whatever a hostile file claims."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel

from journalist_app.files import hidden_parts
from journalist_app.files.metadata import FileFindings
from journalist_app.files.metadata_sentences import DETAILS, detail_sentence
from tests.journalist_app.cleaning.shown_office_files import (
    a_sheet,
    a_shown_docx,
    a_talk,
    with_parts,
    with_settings,
)
from tests.journalist_app.files.file_factories import ADDED, AUTHOR, DELETED, KEPT, a_docx, a_zip, an_odt
from tests.journalist_app.files.office_factories import (
    FIRST_AUTHOR,
    LINK,
    SECOND_AUTHOR,
    a_full_docx,
    a_full_odp,
    a_full_ods,
    a_full_odt,
    a_full_pptx,
    a_full_xlsx,
    an_open_document,
    an_open_file_with_traces,
)
from web.languages import FOLDER, WRITTEN_IN, known_languages

TRANSLATIONS = str(FOLDER)  # of the sentences that sources read too
PARTS_OF_MICROSOFT_FILES = {
    "custom": ("1", "customXml/item1.xml"),
    "thumbnail": ("1", "docProps/thumbnail.jpeg"),
    "links": ("1", LINK),
}
PARTS_OF_OPEN_FILES = {
    "thumbnail": ("1", "Thumbnails/thumbnail.png"),
    "embedded": ("1", "Object 1/content.xml"),
    "links": ("1", LINK),
}


def hidden_in(room: Path, content: bytes) -> dict[str, tuple[str, str]]:
    """Return the hidden parts of an office file: for each kind, their number and names."""
    path = room / "file"
    path.write_bytes(content)
    found = hidden_parts.findings(str(path))
    return {kind: (number, names) for kind, number, names in found if kind not in {"detail", "named"}}


def details_in(room: Path, content: bytes) -> list[tuple[str, str, str]]:
    """Return the metadata of an office file: the kind, the name and the value of each."""
    path = room / "file"
    path.write_bytes(content)
    return [found for found in hidden_parts.findings(str(path)) if found[0] in {"detail", "named"}]


EVERYTHING: list[tuple[Callable[[], bytes], dict[str, tuple[str, str]]]] = [
    (
        a_full_docx,
        PARTS_OF_MICROSOFT_FILES
        | {"faint": ("3", ""), "hidden": ("2", ""), "rows": ("1", ""), "changes": ("1", SECOND_AUTHOR)}
        | {"comments": ("1", FIRST_AUTHOR), "embedded": ("1", "word/embeddings/lijst.xlsx")},
    ),
    (
        a_full_xlsx,
        PARTS_OF_MICROSOFT_FILES
        | {"sheets": ("1", "Weg"), "deep_sheets": ("1", "Diep"), "rows": ("1", ""), "columns": ("3", "")}
        | {"faint": ("2", ""), "hidden": ("1", ""), "changes": ("2", SECOND_AUTHOR)}
        | {"links": ("2", f"Server=intern, {LINK}"), "embedded": ("1", "xl/embeddings/oleObject1.bin")}
        | {"comments": ("3", f"{FIRST_AUTHOR}, {SECOND_AUTHOR}, Cas Bedacht")},
    ),
    (
        a_full_pptx,
        PARTS_OF_MICROSOFT_FILES
        | {"slides": ("1", ""), "hidden": ("1", ""), "faint": ("2", ""), "notes": ("1", "")}
        | {"comments": ("3", f"{FIRST_AUTHOR}, {SECOND_AUTHOR}")}
        | {"embedded": ("1", "ppt/embeddings/oleObject1.bin")},
    ),
    (
        a_full_odt,
        PARTS_OF_OPEN_FILES
        | {"faint": ("1", ""), "hidden": ("3", ""), "changes": ("1", FIRST_AUTHOR)}
        | {"comments": ("1", SECOND_AUTHOR)},
    ),
    (
        a_full_ods,
        PARTS_OF_OPEN_FILES
        | {"sheets": ("1", "Weg"), "rows": ("2", ""), "columns": ("3", ""), "changes": ("1", FIRST_AUTHOR)}
        | {"faint": ("1", ""), "comments": ("1", SECOND_AUTHOR)},
    ),
    (
        a_full_odp,
        PARTS_OF_OPEN_FILES
        | {"slides": ("1", ""), "notes": ("1", ""), "faint": ("1", ""), "comments": ("1", SECOND_AUTHOR)},
    ),
]


@pytest.mark.parametrize(("make", "parts"), EVERYTHING, ids=["docx", "xlsx", "pptx", "odt", "ods", "odp"])
def test_every_hidden_part_is_listed_with_its_number_and_names(
    tmp_path: Path, make: Callable[[], bytes], parts: dict[str, tuple[str, str]]
) -> None:
    hidden = hidden_in(tmp_path, make())

    assert parts == hidden
    assert hidden.keys() <= DETAILS.keys()


def test_a_file_of_the_strict_type_hides_no_more_than_another(tmp_path: Path) -> None:
    strict = a_full_docx("http://purl.oclc.org/ooxml/wordprocessingml/main")

    assert hidden_in(tmp_path, a_full_docx()) == hidden_in(tmp_path, strict)


def test_a_text_that_is_white_by_the_style_of_all_texts_is_listed(tmp_path: Path) -> None:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    normal = (
        '<w:style w:type="paragraph" w:default="1" w:styleId="N"><w:rPr><w:color w:val="FFFFFF"/></w:rPr>'
    )
    black = '<w:pPr><w:pStyle w:val="Zwart"/></w:pPr>'
    text = "<w:r><w:t>geheim</w:t></w:r>"
    content = a_zip(
        {
            "word/styles.xml": f'<w:styles {space}>{normal}</w:style><w:style w:styleId="Zwart"/></w:styles>',
            "word/document.xml": f"<w:d {space}><w:p>{text}</w:p><w:p>{black}{text}</w:p></w:d>",
        }
    )

    assert ("1", "") == hidden_in(tmp_path, content)["faint"]


def test_a_property_that_the_writer_named_is_listed_by_its_name(tmp_path: Path) -> None:
    assert ("named", "Dossier", "Zaak 12") in details_in(tmp_path, a_full_docx())


SHEET = "<worksheet><dataValidations><dataValidation {}</dataValidation></dataValidations></worksheet>"
VALIDATION = "<table:content-validations><table:content-validation {}</table:content-validations>"


@pytest.mark.parametrize(
    ("part", "xml", "found"),
    [
        (
            "xl/worksheets/sheet1.xml",
            SHEET.format('prompt="Bel Anna" promptTitle="Let op">'),
            "Bel Anna, Let op",
        ),
        ("xl/worksheets/sheet1.xml", SHEET.format('error="Vraag Bas" errorTitle="Fout">'), "Vraag Bas, Fout"),
        ("xl/worksheets/sheet1.xml", SHEET.format('><formula1>"Anna,Bas"</formula1>'), "Anna,Bas"),
        ("xl/worksheets/sheet1.xml", SHEET.format("><formula1>$A$1:$A$9</formula1>"), ""),
        (
            "xl/worksheets/sheet1.xml",
            '<w><scenarios><scenario user="Anna" comment="van Anna"/></scenarios></w>',
            "Anna, van Anna",
        ),
        (
            "content.xml",
            VALIDATION.format(
                'table:condition="of:cell-content-is-in-list(&quot;Anna&quot;;&quot;Bas&quot;)"/>'
            ),
            "Anna, Bas",
        ),
        ("content.xml", VALIDATION.format('table:condition="of:cell-content()&gt;5"/>'), ""),
        (
            "content.xml",
            VALIDATION.format(
                '><table:help-message table:title="Let op"><text:p>Bel <text:span>Anna</text:span></text:p>'
                "</table:help-message></table:content-validation>"
            ),
            "Let op, Bel Anna",
        ),
        ("content.xml", '<text:text-input text:description="Vul in">zichtbaar</text:text-input>', "Vul in"),
        (
            "word/document.xml",
            '<w:ffData><w:helpText w:type="text" w:val="Bel Anna"/><w:statusText w:val="Bas"/></w:ffData>',
            "Bel Anna, Bas",
        ),
        (
            "word/document.xml",
            '<w:dropDownList><w:listItem w:displayText="Anna" w:value="1"/></w:dropDownList>',
            "Anna",
        ),
    ],
)
def test_a_text_that_appears_only_in_a_cell_or_field_is_listed_and_not_copied(
    tmp_path: Path, part: str, xml: str, found: str
) -> None:
    content = an_open_document(xml) if part == "content.xml" else a_zip({part: document_of(xml)})

    names = hidden_in(tmp_path, content).get("prompts", ("", ""))[1]
    with zipfile.ZipFile(BytesIO(content)) as file:
        copy = hidden_parts._part_copy(part, file.read(part), set()).decode()

    assert found == names
    assert [] == [text for text in found.split(", ") if text and text in copy]
    assert ("zichtbaar" in xml) == ("zichtbaar" in copy)


@pytest.mark.parametrize(
    ("part", "xml", "found"),
    [
        (
            "content.xml",
            '<text:user-field-decl text:name="Zaak" office:string-value="van Anna"/>',
            ("named", "Zaak", "van Anna"),
        ),
        (
            "content.xml",
            '<text:user-field-decl text:name="Zaak" office:value="12"/>',
            ("named", "Zaak", "12"),
        ),
        (
            "word/settings.xml",
            '<w:docVars><w:docVar w:name="Zaak" w:val="van Anna"/></w:docVars>',
            ("named", "Zaak", "van Anna"),
        ),
        (
            "xl/workbook.xml",
            '<x:absPath xmlns:x="x" url="C:\\Users\\anna"/>',
            ("detail", "absPath", "C:\\Users\\anna"),
        ),
        ("xl/workbook.xml", '<fileSharing userName="Anna"/>', ("detail", "fileSharing", "Anna")),
        (
            "settings.xml",
            '<config-item name="PrinterName">van Anna</config-item>',
            ("detail", "PrinterName", "van Anna"),
        ),
    ],
)
def test_a_value_that_a_program_keeps_with_the_file_is_listed_and_not_copied(
    tmp_path: Path, part: str, xml: str, found: tuple[str, str, str]
) -> None:
    declared = f"<text:user-field-decls>{xml}</text:user-field-decls>"
    content = an_open_document(declared) if part == "content.xml" else a_zip({part: document_of(xml)})

    with zipfile.ZipFile(BytesIO(content)) as file:
        copy = hidden_parts._part_copy(part, file.read(part), set()).decode()

    assert [found] == details_in(tmp_path, content)
    assert found[2] not in copy


def test_a_copy_keeps_the_texts_of_fields_and_leaves_out_a_field_that_is_not_shown(tmp_path: Path) -> None:
    fields = '<text:p>{}<text:user-field-get text:name="Zaak">te zien</text:user-field-get></text:p>'
    hidden = (
        '<text:variable-set text:display="none" office:string-value="van Anna">van Anna</text:variable-set>'
    )
    content = an_open_document(fields.format(hidden))

    with zipfile.ZipFile(BytesIO(content)) as file:
        copy = hidden_parts._part_copy("content.xml", file.read("content.xml"), set()).decode()

    assert ("1", "") == hidden_in(tmp_path, content)["hidden"]
    assert "<text:p>te zien</text:p>" in copy


@pytest.mark.parametrize(
    ("ink", "paper", "is_faint"),
    [
        ('rgb="FF0070C0"', 'rgb="FF0070C0"', True),
        ('rgb="FF0070C0"', 'rgb="000F7AC8"', True),
        ('rgb="FF0070C0"', 'rgb="FF1070C0"', False),
        ('theme="4" tint="0.4"', 'theme="4" tint="0.4"', True),
        ('theme="4" tint="0.4"', 'theme="4"', False),
        ('theme="1"', 'rgb="FF000000"', True),
        ('indexed="12"', 'indexed="12"', True),
        ('indexed="12"', 'theme="12"', False),
        ('indexed="9"', 'rgb="FFFFFFFF"', True),
        ('theme="0"', 'theme="0" tint="-0.5"', False),
        ('auto="1"', 'rgb="FF000000"', False),
    ],
)
def test_the_text_of_a_cell_in_the_colour_of_the_cell_is_listed(
    tmp_path: Path,
    ink: str,
    paper: str,
    is_faint: bool,  # noqa: FBT001
) -> None:
    fill = f'<fill><patternFill patternType="solid"><fgColor {paper}/></patternFill></fill>'
    unfilled = fill.replace("solid", "none")
    styles = (
        f"<s><fonts><font><color {ink}/></font></fonts><fills>{fill}{unfilled}</fills><cellXfs>"
        '<xf fontId="0" fillId="0"/><xf fontId="0" fillId="1"/></cellXfs></s>'
    )
    cells = '<w><row><c s="0"><v>1</v></c></row></w>'
    content = a_zip({"xl/styles.xml": styles, "xl/worksheets/sheet1.xml": cells})

    assert ({"faint": ("1", "")} if is_faint else {}) == hidden_in(tmp_path, content)


def test_a_part_of_a_shared_text_in_the_colour_of_one_of_its_cells_is_listed(tmp_path: Path) -> None:
    strings = (
        "<sst><si><t>open</t></si><si><r><t>deels </t></r><r><rPr><b/></rPr><t>open, </t></r><r><rPr>"
        '<color rgb="FFC00000"/></rPr><t>deels niet</t></r></si></sst>'
    )
    fill = '<fill><patternFill patternType="solid"><fgColor rgb="FFC00000"/></patternFill></fill>'
    styles = f'<s><fills><fill/>{fill}</fills><cellXfs><xf fillId="0"/><xf fillId="1"/></cellXfs></s>'
    cells = "".join(
        f'<c s="{style}" t="s"><v>{text}</v></c>' for style, text in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 7))
    )
    parts = {"xl/worksheets/sheet1.xml": f"<w><row>{cells}</row></w>"}
    content = a_zip({**parts, "xl/sharedStrings.xml": strings, "xl/styles.xml": styles})

    assert {"faint": ("1", "")} == hidden_in(tmp_path, content)


def test_a_cell_of_an_open_sheet_has_the_colours_of_its_row_column_or_paragraph(tmp_path: Path) -> None:
    def style(name: str, ink: str, paper: str) -> str:
        return (
            f'<style:style style:name="{name}"><style:text-properties fo:color="{ink}"'
            ' fo:background-color="transparent"/>'
            f'<style:table-cell-properties fo:background-color="{paper}"/></style:style>'
        )

    cell, styled = "<table:table-cell><text:p>a</text:p></table:table-cell>", 'table:style-name="Open"'
    columns = (
        '<table:table-column table:number-columns-repeated="2"/><table:table-column'
        ' table:default-cell-style-name="Weg"/><table:table-column table:default-cell-style-name="Open"/>'
    )
    rows = (
        f'<table:table-row><table:table-cell table:number-columns-repeated="2"/>{cell}{cell}{cell}'
        f'</table:table-row><table:table-row table:default-cell-style-name="Weg">{cell}'
        f"{cell.replace('cell>', f'cell {styled}>', 1)}</table:table-row>"
    )
    other = f"<table:table><table:table-row>{cell}</table:table-row></table:table>"
    table = f"<table:table>{columns}{rows}</table:table>{other}"
    content = an_open_document(
        table, style("Weg", "#0070c0", "#0070c0") + style("Open", "#000000", "#0070c0")
    )

    assert ("2", "") == hidden_in(tmp_path, content)["faint"]


def test_a_file_cannot_claim_more_rows_than_a_sheet_has(tmp_path: Path) -> None:
    assert "1048576" == hidden_in(tmp_path, a_full_ods("9" * 4_000))["rows"][0]
    assert "1" == hidden_in(tmp_path, a_full_ods("-5"))["rows"][0]


@pytest.mark.parametrize("number", ["veel", "-5", "1.5", "\u0665", ""])
def test_a_number_that_is_no_number_hides_nothing(tmp_path: Path, number: str) -> None:
    hidden = hidden_in(tmp_path, a_full_ods(number))

    assert {**hidden_in(tmp_path, a_full_ods("1"))} == hidden


def test_a_million_links_with_long_names_make_a_short_list(tmp_path: Path) -> None:
    links = "".join(f'<text:a xlink:href="http://{place}.{"x" * 999}"/>' for place in range(2_000))

    number, names = hidden_in(tmp_path, an_open_document(links))["links"]

    assert "2000" == number
    assert 12 == len(names.split(", "))
    assert len(names) < 12 * 203


def test_very_deep_levels_are_searched(tmp_path: Path) -> None:
    deep = "<text:p>" * 20_000 + '<text:hidden-text text:is-hidden="true"/>' + "</text:p>" * 20_000

    assert ("1", "") == hidden_in(tmp_path, an_open_document(deep))["hidden"]


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        ("word/glossary/document.xml", True),
        ("xl/pivotCache/pivotCacheRecords1.xml", True),
        ("xl/printerSettings/printerSettings1.bin", True),
        ("word/people.xml", False),  # in a copy, these are left out with the comments
        ("Versions/Version1", True),
        ("META-INF/documentsignatures.xml", True),
        ("word/document2.xml", False),
        ("ppt/slideLayouts/slideLayout1.xml", False),
        ("Configurations2/accelerator/current.xml", False),
        ("word/media/", False),
    ],
)
def test_a_part_that_no_page_shows_is_listed(tmp_path: Path, name: str, is_told: bool) -> None:  # noqa: FBT001
    content = a_zip({"word/document.xml": "<a/>", name: "" if name.startswith("Conf") else "<a/>"})

    assert ({"custom": ("1", name)} if is_told else {}) == hidden_in(tmp_path, content)


def document_of(content: str) -> str:
    return f'<w:d xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">{content}</w:d>'


def in_copy(content: str) -> str:
    return hidden_parts._part_copy("word/document.xml", document_of(content).encode(), set()).decode()


def test_the_description_and_the_file_name_of_a_picture_are_listed_and_not_copied(tmp_path: Path) -> None:
    """Word writes where a picture came from."""
    picture = '<docPr name="anna.jpg" descr="C:\\anna\\1" title="Feest"/><cNvPr name="Picture 1.5" descr=""/>'
    drawing = "<draw:frame><svg:title>Anna</svg:title><svg:desc>op het feest</svg:desc></draw:frame>"

    hidden = hidden_in(tmp_path, a_zip({"word/document.xml": document_of(picture)}))
    open_hidden = hidden_in(tmp_path, an_open_document(drawing))

    assert ("1", "C:\\anna\\1, Feest, anna.jpg") == hidden["described"]
    assert ("2", "Anna, op het feest") == open_hidden["described"]
    assert [] == [word for word in ("anna", "Feest") if word in in_copy(picture)]
    assert "Picture 1.5" in in_copy(picture)
    assert "feest" not in "".join(copied(tmp_path, an_open_document(drawing)).values())


def test_an_address_in_a_field_is_listed_and_not_copied(tmp_path: Path) -> None:
    fields = (
        '<w:instrText>FILENAME "C:\\anna\\x.docx"</w:instrText><w:instrText>DATE \\@ "d/M/yyyy"</w:instrText>'
        "<w:fldSimple w:instr='HYPERLINK \"https://intranet.example/\"'/>"
    )

    hidden = hidden_in(tmp_path, a_zip({"word/document.xml": document_of(fields)}))

    assert ("2", "C:\\anna\\x.docx, https://intranet.example/") == hidden["links"]
    assert [] == [word for word in ("anna", "intranet") if word in in_copy(fields)]
    assert "yyyy" in in_copy(fields)


def test_a_hidden_name_of_cells_and_a_hidden_layer_are_listed(tmp_path: Path) -> None:
    names = '<definedName name="geheim" hidden="1"/><definedName name="_xlnm._FilterDatabase" hidden="1"/>'
    layers = '<draw:layer draw:display="none"/><draw:layer draw:display="always"/><draw:layer/>'

    assert {"hidden": ("1", "")} == hidden_in(
        tmp_path, a_zip({"xl/workbook.xml": f"<workbook>{names}</workbook>"})
    )
    assert ("1", "") == hidden_in(tmp_path, an_open_document(layers))["hidden"]


@pytest.mark.parametrize(("size", "is_hidden"), [("2", True), ("4", True), ("5", False), ("20", False)])
def test_a_text_that_is_too_small_to_read_is_listed(tmp_path: Path, size: str, is_hidden: bool) -> None:  # noqa: FBT001
    text = f'<w:r><w:rPr><w:sz w:val="{size}"/></w:rPr><w:t>geheim</w:t></w:r>'

    hidden = hidden_in(tmp_path, a_zip({"word/document.xml": document_of(text)}))

    assert ({"hidden": ("1", "")} if is_hidden else {}) == hidden


def test_an_object_outside_a_slide_is_listed(tmp_path: Path) -> None:
    def box(left: str, top: str = "1in", size: str = "2cm") -> str:
        return f'<draw:frame svg:x="{left}" svg:y="{top}" svg:width="{size}" svg:height="20mm"/>'

    turned = '<draw:rect svg:width="1cm" svg:height="1cm" draw:transform="rotate (1) translate ({} 5cm)"/>'
    outside = [
        box("-2cm"),
        box("721pt"),
        box("1cm", "-50mm"),
        f"<draw:g>{box('26cm')}</draw:g>",
        turned.format("-9cm"),
    ]
    inside = [box("-19mm"), box("25.3cm"), box("veel"), turned.format("-1cm"), '<draw:a xlink:href="#b"/>']
    notes = f"<presentation:notes>{box('90cm')}</presentation:notes>"
    page = '<draw:page draw:master-page-name="{}">' + "".join([*outside, *inside, notes]) + "</draw:page>"
    space = 'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" xmlns:fo="fo"'
    masters = (
        f'<style:s {space}><style:page-layout style:name="L"><style:page-layout-properties'
        ' fo:page-width="25.4cm" fo:page-height="19cm"/></style:page-layout><style:master-page style:name="M"'
        ' style:page-layout-name="L"/><style:master-page style:name="N" style:page-layout-name="?"/>'
        "</style:s>"
    )
    content = an_open_document(page.format("M") + page.format("N"))
    content = with_parts(content, {"styles.xml": masters})

    assert ("5", "") == hidden_in(tmp_path, content)["outside"]


def test_of_a_presentation_a_drawing_shows_which_text_is_white(tmp_path: Path) -> None:
    (tmp_path / "file.odp").write_bytes(a_full_odp())

    kinds = [kind for kind, _, _ in hidden_parts.findings(str(tmp_path / "file.odp"))]

    assert "slides" in kinds
    assert "faint" not in kinds


def copied(room: Path, content: bytes, task: str = "clean") -> dict[str, str]:
    """Return the parts of a copy of an office file that has no pictures, by name."""
    path, copy = room / "file.docx", room / "copy.docx"
    path.write_bytes(content)
    assert 0 == hidden_parts.run_hidden_parts(task, str(path), str(copy))
    assert [] == hidden_parts.broken_links(str(copy))
    with zipfile.ZipFile(copy) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


def test_a_copy_keeps_what_its_pages_show_and_nothing_else(tmp_path: Path) -> None:
    parts = copied(tmp_path, a_shown_docx(picture=False))

    assert {
        "[Content_Types].xml",
        "_rels/.rels",
        "word/document.xml",
        "word/_rels/document.xml.rels",
        "word/header1.xml",
        "word/numbering.xml",
        "word/styles.xml",
    } == set(parts)
    everything = "".join(parts.values())
    assert [] == [
        trace for trace in (AUTHOR, "rsid", "vanish", "example.org", "comment") if trace in everything
    ]
    assert "w:numId" in parts["word/document.xml"]
    assert "een bladwijzer" in parts["word/document.xml"]  # the text of a link stays
    assert 'mc:Ignorable="w14"' in parts["word/document.xml"]
    assert 'xmlns:w14="' in parts["word/document.xml"]  # a value names this prefix


def test_a_copy_of_a_presentation_has_no_hidden_slide_and_no_notes(tmp_path: Path) -> None:
    parts = copied(tmp_path, a_talk("eerste", "tweede", hidden="geheim", notes="praat"))

    slides = [name for name in parts if name.startswith("ppt/slides/slide")]
    assert ["ppt/slides/slide1.xml", "ppt/slides/slide2.xml"] == slides
    assert 2 == parts["ppt/presentation.xml"].count("<p:sldId ")
    assert [] == [word for word in ("geheim", "praat") if word in "".join(parts.values())]


def test_a_copy_of_a_spreadsheet_keeps_its_page_set_up_without_the_printer(tmp_path: Path) -> None:
    parts = copied(tmp_path, a_sheet({"A1": "woord"}, comment=AUTHOR, has_link=True))

    assert '<pageSetup orientation="landscape" />' in parts["xl/worksheets/sheet1.xml"]
    assert [] == [word for word in (AUTHOR, "legacyDrawing", "hyperlink") if word in "".join(parts.values())]
    assert "woord" in parts["xl/worksheets/sheet1.xml"]


def test_a_copy_of_an_open_document_has_no_links_notes_or_printer(tmp_path: Path) -> None:
    parts = copied(tmp_path, an_open_file_with_traces())

    assert {"mimetype", "content.xml", "settings.xml", "META-INF/manifest.xml"} == set(parts)
    everything = "".join(parts.values())
    assert [] == [word for word in (LINK, "Laserjet", "notes", "Thumbnails") if word in everything]
    assert "een bladwijzer" in parts["content.xml"]


def test_a_final_copy_only_hides_its_tracked_changes(tmp_path: Path) -> None:
    for content, shown in ((with_settings(a_docx()), "word/settings.xml"), (an_odt(), "content.xml")):
        path, copy = tmp_path / "file", tmp_path / "copy"
        path.write_bytes(content)

        assert 0 == hidden_parts.run_hidden_parts("final", str(path), str(copy))

        with zipfile.ZipFile(copy) as made, zipfile.ZipFile(path) as file:
            changed = [name for name in made.namelist() if file.read(name) != made.read(name)]
            assert [shown] == changed
            text = made.read(shown).decode()
            assert 'w:revisionView w:insDel="0"' in text or (
                DELETED not in text and KEPT in text and ADDED in text
            )


def test_a_docx_whose_tracked_changes_cannot_be_hidden_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(a_docx())

    assert 3 == hidden_parts.run_hidden_parts("final", str(tmp_path / "file"), str(tmp_path / "copy"))


def test_a_relationship_to_a_part_that_is_gone_is_found(tmp_path: Path) -> None:
    path = tmp_path / "file.docx"
    path.write_bytes(with_parts(a_shown_docx(picture=False), {}, without="word/numbering.xml"))

    assert ["word/numbering.xml"] == hidden_parts.broken_links(str(path))
    assert "word/numbering.xml" not in "".join(copied(tmp_path, path.read_bytes()).values())


def test_a_task_that_the_program_does_not_know_writes_nothing(tmp_path: Path) -> None:
    assert 0 == hidden_parts.run_hidden_parts("cut", "file", str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("language", "value", "words"),
    [
        ("nl", "2013-12-23T23:15:00Z", "23 december 2013, 23:15 UTC"),
        ("en", "2026:03:02 09:10:11+01:00", "2 March 2026, 09:10 UTC+01:00"),
        ("nl", "2026:03:02 09:10:11", "2 maart 2026, 09:10"),
        ("en", "2026-03-02", "2 March 2026"),
        ("nl", "1767303245", "1 januari 2026, 21:34 UTC"),
        ("nl", "2026:13:02 09:10:11", "2026:13:02 09:10:11"),
        ("nl", "gisteren", "gisteren"),
        ("es", "2026-03-02", "2 de marzo de 2026"),
        ("pt", "2026-03-02T09:10:11Z", "2 de março de 2026, 09:10 UTC"),
        ("fr", "2026-03-02", "2 mars 2026"),
    ],
)
def test_a_date_and_its_name_are_in_words_in_the_language_of_the_reader(
    language: str, value: str, words: str
) -> None:
    app = Flask(__name__)
    Babel(app, locale_selector=lambda: language, default_translation_directories=TRANSLATIONS)

    with app.test_request_context():
        sentence = str(detail_sentence("time", "created", value))

    assert words in sentence
    assert {"nl": "(gemaakt op)", "en": "(made on)"}.get(language, "") in sentence
    assert language == "en" or "made on" not in sentence


def test_the_source_reads_findings_in_their_own_language_and_every_line_is_whole() -> None:
    app = Flask(__name__)
    Babel(app, locale_selector=lambda: "en", default_translation_directories=TRANSLATIONS)
    found = [detail_sentence("time", "created", "2026-03-02")] + [
        detail_sentence("sheets", str(number), "Blad") for number in range(3)
    ]
    findings = FileFindings(tuple(found))

    with app.test_request_context():
        whole, cut = findings.text_in("nl", 1_000), findings.text_in("nl", 180)
        own, none = findings.text_in("", 1_000), findings.text_in("en", 90)

    assert "(gemaakt op): 2 maart 2026\n" in whole
    assert 4 == len(whole.splitlines())
    assert whole.splitlines()[:2] == cut.splitlines()[:2]
    assert "nog 2 verborgen gegevens" in cut.splitlines()[2]
    assert "(made on): 2 March 2026\n" in own
    assert "4 more hidden details" in none


@pytest.mark.parametrize("language", sorted(set(known_languages()) - {WRITTEN_IN}))
def test_every_finding_has_a_sentence_in_every_language_of_the_sources(language: str) -> None:
    app = Flask(__name__)
    Babel(app, locale_selector=lambda: WRITTEN_IN, default_translation_directories=TRANSLATIONS)
    findings = FileFindings(tuple(detail_sentence(kind, "Author", "x") for kind in DETAILS))

    with app.test_request_context():
        ours, english = (findings.text_in(code, 20_000).splitlines() for code in (language, WRITTEN_IN))

    assert len(ours) == len(english) == len(DETAILS)
    assert set(ours).isdisjoint(english)
