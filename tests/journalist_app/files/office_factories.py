"""Office files made by the tests: one file of each type, with every hidden part of that type."""

from typing import Final

from tests.journalist_app.files.file_factories import a_zip

FIRST_AUTHOR: Final = "Ans Voorbeeld"
SECOND_AUTHOR: Final = "Bas Verzonnen"
SECRET: Final = "een verborgen zin"
LINK: Final = "file:///C:/Users/ans/lijst.xlsx"

_SHEET_XML = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_LINKS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="r1" Type="t" Target="{LINK}" TargetMode="External"/>'
    '<Relationship Id="r2" Type="t" Target="styles.xml"/></Relationships>'
)
_SHARED_PARTS = {
    "docProps/custom.xml": '<Properties><property name="Dossier"><lpwstr>Zaak 12</lpwstr></property>'
    "</Properties>",
    "docProps/thumbnail.jpeg": b"\xff\xd8\xff",
    "customXml/item1.xml": "<a/>",
    "customXml/itemProps1.xml": "<a/>",
}


def a_full_docx(namespace: str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main") -> bytes:
    """Return a .docx with white and hidden texts, in the text itself and by its styles.

    The texts on a dark background, and those whose own look replaces that of their style, are not hidden.
    """

    def text(look: str, words: str = SECRET) -> str:
        return f"<w:r><w:rPr>{look}</w:rPr><w:t>{words}</w:t></w:r>"

    white, black = '<w:color w:val="FEFEFF"/>', '<w:color w:val="000000"/>'
    dark, theme = '<w:shd w:fill="1F3864"/>', '<w:color w:themeColor="background1"/>'
    shown, style = '<w:vanish w:val="0"/>', '<w:rStyle w:val="Weg"/>'
    grey = '<w:color w:themeColor="background1" w:themeShade="80"/>'
    white_in_style = '<w:p><w:pPr><w:pStyle w:val="Wit2"/></w:pPr>'
    body = (
        f"<w:p>{text(white)}{text(black)}{text(white, '')}{text(white + dark)}{text('<w:vanish/>')}"
        f"{text(shown)}{text(style)}{text(grey)}"
        f'<w:ins w:author="{SECOND_AUTHOR}"/></w:p>'
        f"{white_in_style}{text('')}{text(black)}</w:p>"
        f"<w:tbl><w:tr><w:trPr><w:hidden/></w:trPr><w:tc><w:tcPr>{dark}</w:tcPr><w:p>{text(white)}</w:p></w:tc>"
        f"</w:tr></w:tbl>{text(theme)}"
    )
    styles = (
        '<w:style w:styleId="Wit2"><w:basedOn w:val="Wit1"/></w:style>'
        f'<w:style w:styleId="Wit1"><w:rPr>{white}</w:rPr></w:style>'
        '<w:style w:styleId="Weg"><w:rPr><w:vanish/></w:rPr></w:style>'
        '<w:style w:styleId="Rond"><w:basedOn w:val="Rond"/></w:style>'
    )
    words = f'xmlns:w="{namespace}"'
    return a_zip({
        **_SHARED_PARTS,
        "word/document.xml": f"<w:document {words}>{body}</w:document>",
        "word/styles.xml": f"<w:styles {words}>{styles}</w:styles>",
        "word/_rels/document.xml.rels": _LINKS,
        "word/embeddings/lijst.xlsx": b"PK",
        "word/comments.xml": f'<w:comments {words}><w:comment w:author="{FIRST_AUTHOR}"/></w:comments>',
    })  # fmt: skip


def a_full_xlsx() -> bytes:
    """Return an .xlsx with hidden sheets, rows and columns, white cells, comments and tracked changes."""
    cells = (
        f'<row r="1"><c r="A1" s="1" t="inlineStr"><is><t>{SECRET}</t></is></c><c r="B1" s="2"><v>1</v></c>'
        '<c r="C1" s="1"/><c r="D1"><v>2</v></c><c r="E1" s="3"><v>3</v></c>'
        '<c r="F1" s="4"><v>4</v></c></row>'
        '<row r="2" hidden="1"/><row r="3" hidden="0"/>'
    )
    return a_zip({
        **_SHARED_PARTS,
        "xl/comments1.xml": f"<comments {_SHEET_XML}><authors><author>{FIRST_AUTHOR}</author>"
        f"<author>{SECOND_AUTHOR}</author><author>tc={{1}}</author></authors><commentList>"
        '<comment authorId="0"/><comment authorId="1"/><comment authorId="2"/></commentList></comments>',
        "xl/threadedComments/threadedComment1.xml": '<ThreadedComments><threadedComment personId="{P}"/>'
        "</ThreadedComments>",
        "xl/persons/person.xml": '<personList><person displayName="Cas Bedacht" id="{P}"/></personList>',
        "xl/workbook.xml": f'<workbook {_SHEET_XML}><sheets><sheet name="Open" state="visible"/>'
        '<sheet name="Weg" state="hidden"/><sheet name="Diep" state="veryHidden"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": f'<worksheet {_SHEET_XML}><cols><col hidden="1" min="4" max="6"/>'
        f'<col min="7" max="7"/></cols><sheetData>{cells}</sheetData></worksheet>',
        "xl/connections.xml": '<connections><connection><dbPr connection="Server=intern"/></connection>'
        "</connections>",
        "xl/embeddings/oleObject1.bin": b"",
        "xl/styles.xml": f"<styleSheet {_SHEET_XML}>"
        '<numFmts><numFmt numFmtId="164" formatCode=";;;"/></numFmts>'
        '<fonts><font/><font><color rgb="FFFFFFFF"/></font><font><color indexed="9"/></font>'
        '<font><color indexed="64"/></font></fonts><fills><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="solid">'
        '<fgColor rgb="FF1F3864"/></patternFill></fill></fills><cellXfs><xf fontId="0" fillId="0"/>'
        '<xf fontId="1" fillId="0"/><xf fontId="1" fillId="1"/><xf fontId="2" fillId="0"/>'
        '<xf fontId="3" fillId="0" numFmtId="164"/></cellXfs></styleSheet>',
        "xl/externalLinks/_rels/externalLink1.xml.rels": _LINKS,
        "xl/revisions/revisionHeaders.xml": f'<headers><header userName="{SECOND_AUTHOR}"/></headers>',
        "xl/revisions/revisionLog1.xml": "<revisions><rcc/><rrc/></revisions>",
    })  # fmt: skip


def a_full_pptx() -> bytes:
    """Return a .pptx with a hidden slide and shape, white text, speaker notes and comments."""
    white = '<a:rPr><a:solidFill><a:schemeClr val="bg1"/></a:solidFill></a:rPr>'
    shade = (
        '<a:rPr><a:solidFill><a:schemeClr val="bg1"><a:lumMod val="50"/></a:schemeClr></a:solidFill></a:rPr>'
    )
    listed = f"<a:lstStyle><a:lvl1pPr><a:defRPr>{white[7:-8]}</a:defRPr></a:lvl1pPr></a:lstStyle>"
    number = "<p:txBody><a:p><a:fld><a:t>1</a:t></a:fld></a:p></p:txBody>"
    return a_zip({
        **_SHARED_PARTS,
        "ppt/slides/slide1.xml": f'<p:sld {_P} {_A} show="0"><p:cNvPr hidden="1"/><a:p><a:r>{white}'
        f"<a:t>{SECRET}</a:t></a:r><a:r>{shade}<a:t>grijs</a:t></a:r></a:p>"
        f"<p:txBody>{listed}<a:p><a:r><a:t>{SECRET}</a:t></a:r></a:p></p:txBody></p:sld>",
        "ppt/slides/slide2.xml": f"<p:sld {_P}/>",
        "ppt/slides/_rels/slide1.xml.rels": _LINKS,
        "ppt/notesSlides/notesSlide1.xml": f"<p:notes {_P} {_A}><a:p><a:r><a:t>{SECRET}</a:t></a:r></a:p>"
        "</p:notes>",
        "ppt/notesSlides/notesSlide2.xml": f"<p:notes {_P} {_A}>{number}</p:notes>",
        "ppt/comments/comment1.xml": f'<p:cmLst {_P}><p:cm authorId="0"/></p:cmLst>',
        "ppt/comments/modernComment_1.xml": '<c:cmLst xmlns:c="c"><c:cm authorId="{Q}">'
        '<c:reply authorId="{Q}"/></c:cm></c:cmLst>',
        "ppt/commentAuthors.xml": f'<p:cmAuthorLst {_P}><p:cmAuthor id="0" name="{FIRST_AUTHOR}"/>'
        "</p:cmAuthorLst>",
        "ppt/authors.xml": f'<c:authorLst xmlns:c="c"><c:author id="{{Q}}" name="{SECOND_AUTHOR}"/>'
        "</c:authorLst>",
        "ppt/embeddings/oleObject1.bin": b"",
    })  # fmt: skip


def an_open_document(body: str, styles: str = "") -> bytes:
    """Return an OpenDocument file with this body, a thumbnail, and an object inside the file."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "style", "presentation")
    )
    spaces += (
        ' xmlns:officeooo="http://openoffice.org/2009/office"'
        ' xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"'
        ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
        ' xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"'
        ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    )
    return a_zip({
        "content.xml": f"<office:document-content {spaces}><office:automatic-styles>{styles}"
        f"</office:automatic-styles><office:body>{body}</office:body></office:document-content>",
        "styles.xml": f"<office:document-styles {spaces}/>",
        "Thumbnails/thumbnail.png": b"\x89PNG",
        "Object 1/content.xml": "<a/>",
    })  # fmt: skip


def _a_comment(space: str) -> str:
    return f"<{space}:annotation><dc:creator>{SECOND_AUTHOR}</dc:creator></{space}:annotation>"


def a_full_odt() -> bytes:
    """Return an .odt with hidden and white texts, a hidden section and links."""
    return an_open_document(
        f'<text:p text:style-name="W2">{SECRET}</text:p><text:p text:style-name="D">op donker</text:p>'
        f'<text:p><text:span text:style-name="H">{SECRET}</text:span></text:p>'
        f'<text:section text:display="none"/><text:hidden-text text:is-hidden="true"/>'
        f'<text:a xlink:href="{LINK}">hier</text:a><text:a xlink:href="#boven">boven</text:a>'
        f'<draw:image xlink:href="Pictures/1.png"/>{_a_comment("office")}<text:tracked-changes>'
        f"<text:changed-region><dc:creator>{FIRST_AUTHOR}</dc:creator></text:changed-region></text:tracked-changes>",
        '<style:style style:name="W2" style:parent-style-name="W1"/>'
        '<style:style style:name="W1"><style:text-properties fo:color="#ffffff"/></style:style>'
        '<style:style style:name="D" style:parent-style-name="W1">'
        '<style:paragraph-properties fo:background-color="#000080"/></style:style>'
        '<style:style style:name="H"><style:text-properties text:display="none"/></style:style>',
    )


def a_full_ods(rows: str = "2") -> bytes:
    """Return an .ods with a hidden sheet, hidden rows and columns, and a tracked change."""
    return an_open_document(
        "<table:tracked-changes><table:cell-content-change><office:change-info>"
        f"<dc:creator>{FIRST_AUTHOR}</dc:creator></office:change-info></table:cell-content-change>"
        '</table:tracked-changes><table:table table:name="Open"/><table:table table:name="Weg"'
        ' table:style-name="T"><table:table-column table:visibility="collapse"'
        ' table:number-columns-repeated="3"/><table:table-row table:visibility="filter"'
        f' table:number-rows-repeated="{rows}"/><table:table-row><table:table-cell table:style-name="W">'
        f"{_a_comment('office')}<text:p>{SECRET}</text:p></table:table-cell></table:table-row>"
        f'<text:a xlink:href="{LINK}"/></table:table>',
        '<style:style style:name="W"><style:text-properties fo:color="#FFFFFF"/></style:style>'
        '<style:style style:name="T"><style:table-properties table:display="false"/></style:style>',
    )


def a_full_odp() -> bytes:
    """Return an .odp with a hidden slide, speaker notes and a comment."""
    return an_open_document(
        '<draw:page draw:style-name="P"><presentation:notes><draw:frame presentation:class="notes">'
        f"<draw:text-box><text:p>{SECRET}</text:p></draw:text-box></draw:frame></presentation:notes>"
        f'{_a_comment("officeooo")}<text:p text:style-name="W">{SECRET}</text:p>'
        f'<text:a xlink:href="{LINK}"/></draw:page>'
        "<draw:page><presentation:notes><text:p/></presentation:notes></draw:page>",
        '<style:style style:name="W"><style:text-properties fo:color="#fff0f5"/></style:style>'
        '<style:style style:name="P"><style:drawing-page-properties presentation:visibility="hidden"/>'
        "</style:style>",
    )


def an_open_file_with_traces() -> bytes:
    """Return an OpenDocument file with a link, speaker notes, a thumbnail and the name of a printer."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "draw", "presentation", "config", "manifest")
    )
    return a_zip({
        "Thumbnails/thumbnail.png": b"\x89PNG",
        "content.xml": f'<office:document-content {spaces} xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<office:body>'
        f'<draw:page><text:p>naar <text:a xlink:href="{LINK}">een bladwijzer</text:a> hier</text:p>'
        "<presentation:notes><text:p>praat</text:p></presentation:notes></draw:page></office:body>"
        "</office:document-content>",
        "settings.xml": f"<office:document-settings {spaces}>"
        '<config:config-item config:name="PrinterName">Laserjet van Anna</config:config-item>'
        '<config:config-item config:name="ShowGrid">true</config:config-item></office:document-settings>',
        "META-INF/manifest.xml": f'<manifest:manifest {spaces}><manifest:file-entry manifest:full-path="/"/>'
        '<manifest:file-entry manifest:full-path="content.xml"/>'
        '<manifest:file-entry manifest:full-path="Thumbnails/thumbnail.png"/></manifest:manifest>',
        "mimetype": "application/vnd.oasis.opendocument.presentation",
    })  # fmt: skip
