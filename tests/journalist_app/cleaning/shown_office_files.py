"""Office files that LibreOffice opens, made by the tests: with content that a page shows, and traces."""

import io
import zipfile
from collections.abc import Mapping
from typing import Final

from tests.journalist_app.conversion.files_to_convert import an_image
from tests.journalist_app.files.file_factories import AUTHOR, a_zip

_KIND: Final = "application/vnd.openxmlformats-officedocument."
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_W: Final = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_R: Final = f'xmlns:r="{_RELATIONS}"'
_A: Final = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_P: Final = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_S: Final = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_CORE: Final = (
    f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"'
    f' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>{AUTHOR}</dc:creator></cp:coreProperties>'
)


def with_parts(content: bytes, parts: Mapping[str, str], without: str = "") -> bytes:
    """Return an office file with other or more parts, and without one part."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members: dict[str, str | bytes] = {
            name: file.read(name) for name in file.namelist() if name != without
        }
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as made:
        for name, part in {**members, **parts}.items():
            made.writestr(zipfile.ZipInfo(name), part)  # without the day of today
    return raw.getvalue()


def with_settings(content: bytes) -> bytes:
    """Return a .docx to which a part with settings was added, as programs write with tracked changes."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {name: file.read(name).decode() for name in file.namelist()}
    kind = f"{_KIND}wordprocessingml.settings+xml"
    types = f'<Override PartName="/word/settings.xml" ContentType="{kind}"/></Types>'
    link = f'<Relationship Id="s" Type="{_RELATIONS}/settings" Target="settings.xml"/></Relationships>'
    links = "word/_rels/document.xml.rels"
    return with_parts(
        content,
        {
            "word/settings.xml": f"<w:settings {_W}/>",
            "[Content_Types].xml": members["[Content_Types].xml"].replace("</Types>", types),
            links: members[links].replace("</Relationships>", link),
        },
    )


def _links(**targets: str) -> str:
    """Return a list of relationships. A name is an id and a type. A target with ":" is outside the file."""
    links = ""
    for key, target in targets.items():
        number, _, kind = key.partition("_")
        mode = ' TargetMode="External"' if ":" in target else ""
        links += f'<Relationship Id="{number}" Type="{_RELATIONS}/{kind}" Target="{target}"{mode}/>'
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'


def _package(main: str, kinds: Mapping[str, str], parts: Mapping[str, str | bytes]) -> bytes:
    types = "".join(
        f'<Override PartName="/{name}" ContentType="{_KIND}{kind}+xml"/>' for name, kind in kinds.items()
    )
    return a_zip({
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/><Default Extension="png"'
        ' ContentType="image/png"/>'
        f'<Default Extension="vml" ContentType="{_KIND}vmlDrawing"/>{types}</Types>',
        "_rels/.rels": _links(r1_officeDocument=main, r2_core="docProps/core.xml"),
        "docProps/core.xml": _CORE,
        **parts,
    })  # fmt: skip


def a_shown_docx(*, picture: bool = True, more: str = "") -> bytes:
    """Return a .docx with a numbered list, a header and a picture, and with a link, a comment and traces."""
    drawing = (
        '<w:drawing><wp:inline><wp:extent cx="1800000" cy="1200000"/><wp:docPr id="1" name="p"/><a:graphic>'
        '<a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic><pic:nvPicPr>'
        '<pic:cNvPr id="1" name="p"/><pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:embed="r5"/>'
        "<a:stretch>"
        '<a:fillRect/></a:stretch></pic:blipFill><pic:spPr><a:xfrm><a:off x="0" y="0"/>'
        '<a:ext cx="1800000" cy="1200000"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom>'
        "</pic:spPr>"
        "</pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing>"
    )
    body = (
        '<w:p w:rsidR="00A1"><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr>'
        "<w:r><w:t>eerste stap</w:t></w:r></w:p>"
        '<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr><w:commentRangeStart'
        ' w:id="0"/><w:r><w:t>tweede stap</w:t></w:r><w:commentRangeEnd w:id="0"/>'
        '<w:r><w:commentReference w:id="0"/></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>weg</w:t></w:r></w:p>'
        '<w:p><w:hyperlink r:id="r6"><w:r><w:t>een bladwijzer</w:t></w:r></w:hyperlink></w:p>'
        f"{f'<w:p><w:r>{drawing}</w:r></w:p>' if picture else ''}{more}"
        '<w:sectPr><w:headerReference w:type="default" r:id="r3"/><w:pgSz w:w="11906" w:h="16838"/>'
        "</w:sectPr>"
    )
    spaces = (
        f'{_W} {_R} {_A} xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"'
        ' xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"'
        ' xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml"'
        ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" mc:Ignorable="w14"'
    )
    word = "wordprocessingml."
    names = ("styles", "numbering", "header1", "comments")
    return _package(
        "word/document.xml",
        {"word/document.xml": word + "document.main"}
        | {f"word/{name}.xml": word + name.rstrip("1") for name in names},
        {
            "word/_rels/document.xml.rels": _links(
                r1_styles="styles.xml",
                r2_numbering="numbering.xml",
                r3_header="header1.xml",
                r4_comments="comments.xml",
                **({"r5_image": "media/image1.png"} if picture else {}),
                r6_hyperlink="https://intranet.example.org/",
            ),
            "word/document.xml": f"<w:document {spaces}><w:body>{body}</w:body></w:document>",
            "word/styles.xml": f"<w:styles {_W}/>",
            "word/header1.xml": f"<w:hdr {_W}><w:p><w:r><w:t>kopregel</w:t></w:r></w:p></w:hdr>",
            "word/numbering.xml": f'<w:numbering {_W}><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0">'
            '<w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl></w:abstractNum>'
            '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>',
            "word/comments.xml": f'<w:comments {_W}><w:comment w:id="0" w:author="{AUTHOR}"/></w:comments>',
            **({"word/media/image1.png": an_image("PNG")} if picture else {}),
        },
    )


def a_sheet(
    cells: Mapping[str, str], *, comment: str = "", has_link: bool = False, printed: str = ""
) -> bytes:
    """Return an .xlsx with these cells, and with a printer, a comment of someone, and perhaps a link."""
    area = f'<definedName name="_xlnm.Print_Area" localSheetId="0">{printed}</definedName>' if printed else ""
    link = '<hyperlinks><hyperlink ref="A1" r:id="r2"/></hyperlinks>' if has_link else ""
    rows = "".join(
        f'<row r="{place[1:]}"><c r="{place}" t="inlineStr"><is><t>{words}</t></is></c></row>'
        for place, words in cells.items()
    )
    sheet = "spreadsheetml."
    return _package(
        "xl/workbook.xml",
        {
            "xl/workbook.xml": sheet + "sheet.main",
            "xl/worksheets/sheet1.xml": sheet + "worksheet",
            "xl/comments1.xml": sheet + "comments",
        },
        {
            "xl/workbook.xml": f'<workbook {_S} {_R}><sheets><sheet name="Blad" sheetId="1" r:id="r1"/>'
            f"</sheets>{f'<definedNames>{area}</definedNames>' if area else ''}</workbook>",
            "xl/_rels/workbook.xml.rels": _links(r1_worksheet="worksheets/sheet1.xml"),
            "xl/worksheets/sheet1.xml": f"<worksheet {_S} {_R}><sheetData>{rows}</sheetData>"
            f"{link}"
            '<pageSetup orientation="landscape" r:id="r3"/><legacyDrawing r:id="r4"/></worksheet>',
            "xl/worksheets/_rels/sheet1.xml.rels": _links(
                r1_comments="../comments1.xml",
                r2_hyperlink="https://intranet.example.org/",
                r3_printerSettings="../printerSettings/printerSettings1.bin",
                r4_vmlDrawing="../drawings/vmlDrawing1.vml",
            ),
            "xl/comments1.xml": f"<comments {_S}><authors><author>{comment}</author></authors><commentList>"
            '<comment ref="A1" authorId="0"><text><t>x</t></text></comment></commentList></comments>',
            "xl/printerSettings/printerSettings1.bin": b"Laserjet",
            "xl/drawings/vmlDrawing1.vml": '<xml xmlns:v="urn:schemas-microsoft-com:vml"'
            ' xmlns:x="urn:schemas-microsoft-com:office:excel"><v:shape id="s1" type="#_x0000_t202"'
            ' style="visibility:hidden"><x:ClientData ObjectType="Note"><x:Row>0</x:Row>'
            "<x:Column>0</x:Column></x:ClientData></v:shape></xml>",
        },
    )


def a_talk(*slides: str, hidden: str = "", notes: str = "") -> bytes:
    """Return a .pptx with these words on its slides, with one hidden slide and notes for the speaker."""
    tree = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'

    def page(words: str) -> str:
        return (
            f'<p:cSld><p:spTree>{tree}<p:sp><p:nvSpPr><p:cNvPr id="2" name="t"/><p:cNvSpPr txBox="1"/>'
            f"<p:nvPr/>"
            '</p:nvSpPr><p:spPr><a:xfrm><a:off x="900000" y="900000"/><a:ext cx="5000000" cy="900000"/>'
            "</a:xfrm>"
            '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr><p:txBody><a:bodyPr/>'
            f"<a:p><a:r><a:t>{words}</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld>"
        )

    all_slides = [*slides, *filter(None, [hidden])]
    spaces, base, kind = f"{_A} {_R} {_P}", "ppt/slides/slide", "presentationml."
    colours = 'bg1="lt1" tx1="dk1" bg2="lt2" tx2="dk2" folHlink="folHlink" hlink="hlink" ' + " ".join(
        f'accent{number}="accent{number}"' for number in range(1, 7)
    )
    parts: dict[str, str | bytes] = {
        "ppt/presentation.xml": f'<p:presentation {spaces}><p:sldMasterIdLst><p:sldMasterId id="2147483648"'
        ' r:id="m1"/></p:sldMasterIdLst><p:sldIdLst>'
        + "".join(f'<p:sldId id="{256 + place}" r:id="s{place}"/>' for place in range(len(all_slides)))
        + '</p:sldIdLst><p:sldSz cx="9144000" cy="6858000"/><p:notesSz cx="6858000" cy="9144000"/>'
        "</p:presentation>",
        "ppt/_rels/presentation.xml.rels": _links(
            m1_slideMaster="slideMasters/slideMaster1.xml",
            **{f"s{place}_slide": f"slides/slide{place + 1}.xml" for place in range(len(all_slides))},
        ),
        "ppt/slideMasters/slideMaster1.xml": f"<p:sldMaster {spaces}>{page('').replace('txBox', 'x')}"
        f'<p:clrMap {colours}/><p:sldLayoutIdLst><p:sldLayoutId id="2147483649" r:id="l1"/>'
        f"</p:sldLayoutIdLst>"
        "</p:sldMaster>",
        "ppt/slideMasters/_rels/slideMaster1.xml.rels": _links(
            l1_slideLayout="../slideLayouts/slideLayout1.xml"
        ),
        "ppt/slideLayouts/slideLayout1.xml": f"<p:sldLayout {spaces}><p:cSld><p:spTree>{tree}</p:spTree>"
        f"</p:cSld>"
        "</p:sldLayout>",
        "ppt/slideLayouts/_rels/slideLayout1.xml.rels": _links(
            m1_slideMaster="../slideMasters/slideMaster1.xml"
        ),
        "ppt/notesSlides/notesSlide1.xml": f"<p:notes {spaces}>{page(notes)}</p:notes>",
    }
    for place, words in enumerate(all_slides, start=1):
        show = ' show="0"' if words == hidden else ""
        parts[f"{base}{place}.xml"] = f"<p:sld {spaces}{show}>{page(words)}</p:sld>"
        parts[f"ppt/slides/_rels/slide{place}.xml.rels"] = _links(
            l1_slideLayout="../slideLayouts/slideLayout1.xml", n1_notesSlide="../notesSlides/notesSlide1.xml"
        )
    kinds = {
        "ppt/presentation.xml": kind + "presentation.main",
        "ppt/slideMasters/slideMaster1.xml": kind + "slideMaster",
        "ppt/slideLayouts/slideLayout1.xml": kind + "slideLayout",
        "ppt/notesSlides/notesSlide1.xml": kind + "notesSlide",
    }
    kinds |= {f"{base}{place}.xml": kind + "slide" for place in range(1, len(all_slides) + 1)}
    return _package("ppt/presentation.xml", kinds, parts)
