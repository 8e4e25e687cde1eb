"""Files with metadata, made by the tests: names, places, days, devices, tracked changes, comments."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Final

from PIL import ExifTags, Image, PngImagePlugin

AUTHOR: Final = "Anna Schrijver"
COMMENTER: Final = "Karel Kijker"
ADDER: Final = "Ina Inlas"
DELETER: Final = "Dirk Doorhaal"
DELETED: Final = "een geheime zin"
COMMENT: Final = "klopt dit wel"
LAYOUT: Final = "Olga Opmaak"
CAMERA: Final = "Fototoestel 9000"
KEPT: Final = "Deze zin blijft."
ADDED: Final = " Deze kwam erbij."
OFFICE_MARKS: Final = (AUTHOR, COMMENTER, ADDER, DELETER, DELETED, COMMENT, LAYOUT)

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_KIND = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_DAY = "2026-03-02T09:10:11Z"


def a_zip(members: Mapping[str, str | bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return raw.getvalue()


def texts_in(raw: bytes) -> str:
    """Return the names and contents of all parts of a zip."""
    with zipfile.ZipFile(io.BytesIO(raw)) as file:
        return "\n".join(f"{name}\n{file.read(name).decode()}" for name in file.namelist())


def a_docx() -> bytes:
    """Return a .docx with an author, tracked changes in text and layout, a comment, and hidden text."""
    body = (
        f'<w:p><w:pPr><w:pPrChange w:id="7" w:author="{LAYOUT}" w:date="{_DAY}"><w:pPr/></w:pPrChange>'
        "</w:pPr>"
        f'<w:commentRangeStart w:id="0"/><w:r><w:t>{KEPT}</w:t></w:r>'
        f'<w:ins w:id="1" w:author="{ADDER}" w:date="{_DAY}"><w:r><w:t>{ADDED}</w:t></w:r></w:ins>'
        f'<w:del w:id="2" w:author="{DELETER}" w:date="{_DAY}"><w:r><w:delText>{DELETED}</w:delText></w:r>'
        "</w:del>"
        '<w:commentRangeEnd w:id="0"/><w:r><w:commentReference w:id="0"/></w:r>'
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>onzichtbaar</w:t></w:r></w:p>"
    )
    return a_zip({
        "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_KIND}.document.main+xml"/>'
        f'<Override PartName="/word/comments.xml" ContentType="{_KIND}.comments+xml"/>'
        '<Override PartName="/docProps/core.xml"'
        ' ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>',
        "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="word/document.xml"/>'
        f'<Relationship Id="rId2" Type="{_PACKAGE}/relationships/metadata/core-properties"'
        ' Target="docProps/core.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/comments" Target="comments.xml"/></Relationships>',
        "docProps/core.xml": f'{_XML}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>{AUTHOR}</dc:creator></cp:coreProperties>',
        "word/comments.xml": f'{_XML}<w:comments {_W}><w:comment w:id="0" w:author="{COMMENTER}">'
        f"<w:p><w:r><w:t>{COMMENT}</w:t></w:r></w:p></w:comment></w:comments>",
        "word/document.xml": f"{_XML}<w:document {_W}><w:body>{body}</w:body></w:document>",
    })  # fmt: skip


def an_odt() -> bytes:
    """Return an .odt with an author, tracked changes in text and layout, a comment, and hidden text."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "meta")
    )
    spaces += ' xmlns:dc="http://purl.org/dc/elements/1.1/"'

    def change(number: int, kind: str, who: str, text: str) -> str:
        return (
            f'<text:changed-region text:id="c{number}"><text:{kind}><office:change-info>'
            f"<dc:creator>{who}</dc:creator><dc:date>{_DAY}</dc:date>"
            f"</office:change-info>{text}</text:{kind}>"
            "</text:changed-region>"
        )

    return a_zip({
        "mimetype": "application/vnd.oasis.opendocument.text",
        "META-INF/manifest.xml": f"{_XML}<manifest:manifest"
        ' xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">'
        '<manifest:file-entry manifest:full-path="/"'
        ' manifest:media-type="application/vnd.oasis.opendocument.text"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>",
        "meta.xml": f"{_XML}<office:document-meta {spaces}><office:meta><meta:initial-creator>{AUTHOR}"
        "</meta:initial-creator></office:meta></office:document-meta>",
        "content.xml": f"{_XML}<office:document-content {spaces}><office:body><office:text>"
        "<text:tracked-changes>"
        f"{change(1, 'insertion', ADDER, '')}{change(2, 'deletion', DELETER, f'<text:p>{DELETED}</text:p>')}"
        f"{change(3, 'format-change', LAYOUT, '')}</text:tracked-changes>"
        f'<text:p>{KEPT}<office:annotation office:name="1"><dc:creator>{COMMENTER}</dc:creator>'
        f'<text:p>{COMMENT}</text:p></office:annotation><text:change-start text:change-id="c1"/>{ADDED}'
        '<text:change-end text:change-id="c1"/><office:annotation-end office:name="1"/>'
        '<text:change text:change-id="c2"/></text:p></office:text></office:body></office:document-content>',
    })  # fmt: skip


def a_jpeg() -> bytes:
    """Return a photograph with a maker, a camera, a day, and a place: the Binnenhof."""
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = AUTHOR
    exif[ExifTags.Base.Model] = CAMERA
    exif[ExifTags.Base.DateTime] = "2026:03:02 09:10:11"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 4.0, 47.0), 3: "E", 4: (4.0, 18.0, 48.0)})
    raw = io.BytesIO()
    _picture().save(raw, "JPEG", exif=exif)
    return raw.getvalue()


def a_png() -> bytes:
    """Return a PNG with a maker in a piece of text."""
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", AUTHOR)
    raw = io.BytesIO()
    _picture().save(raw, "PNG", pnginfo=words)
    return raw.getvalue()


def a_webp() -> bytes:
    """Return a WebP picture with a maker."""
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = AUTHOR
    raw = io.BytesIO()
    _picture().save(raw, "WEBP", exif=exif)
    return raw.getvalue()


def an_m4a() -> bytes:
    """Return a sound file with a maker, as in the list of tags of a music program."""
    tag = _atom(b"\xa9ART", _atom(b"data", b"\0\0\0\1\0\0\0\0" + AUTHOR.encode()))
    handler = _atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    tags = _atom(b"udta", _atom(b"meta", bytes(4) + handler + _atom(b"ilst", tag)))
    return _atom(b"ftyp", b"M4A \0\0\0\0") + _atom(b"moov", tags)


def an_mov() -> bytes:
    """Return a QuickTime film with a device, as a telephone writes the tag."""
    words = CAMERA.encode()
    tag = _atom(b"\xa9mod", struct.pack(">HH", len(words), 0) + words)
    return _atom(b"ftyp", b"qt  \0\0\0\0") + _atom(b"moov", _atom(b"udta", tag))


def an_mp4() -> bytes:
    """Return a film with a place, as a telephone writes the tag."""
    words = b"+52.0797+004.3130/"
    tag = _atom(b"\xa9xyz", struct.pack(">HH", len(words), 0) + words)
    return _atom(b"ftyp", b"mp42\0\0\0\0") + _atom(b"moov", _atom(b"udta", tag)) + _atom(b"mdat", b"x")


def an_mp3() -> bytes:
    """Return a sound file with a maker and a picture."""
    maker = _tag(b"TPE1", b"\0" + AUTHOR.encode())
    tags = maker + _tag(b"APIC", b"\0image/jpeg\0\3\0\xff\xd8\xff\xd9")
    size = bytes(len(tags) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + tags + (b"\xff\xfb\x90\0" + bytes(413)) * 2


def a_wav() -> bytes:
    """Return a sound file with a maker."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    sound = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)) + chunk(b"data", bytes(8))
    return chunk(b"RIFF", b"WAVE" + sound + chunk(b"LIST", b"INFO" + chunk(b"IART", AUTHOR.encode() + b"\0")))


def _tag(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack(">IH", len(content), 0) + content


def _atom(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def a_pdf() -> bytes:
    """Return a PDF page with an author and a program."""
    raw = io.BytesIO()
    _picture().save(raw, "PDF", author=AUTHOR, creator=CAMERA)
    return raw.getvalue()


def a_full_pdf() -> bytes:
    """Return a PDF page with every hidden part of a PDF, among them five texts that no one sees.

    The texts are white, without colour, under a picture, beside the page, and in a layer that is switched
    off. White text on a dark background can be seen, and a text in a layer that is switched on.
    """
    words = b"".join(
        b"q %s BT /F 12 Tf %d Tr 20 %d Td (%s) Tj ET Q " % each
        for each in (
            (b"", 0, 180, b"te zien"),
            (b"1 1 1 rg", 0, 160, b"wit"),
            (b"", 0, 140, b"te zien"),
            (b"", 3, 120, b"kleurloos"),
            (b"0 0 .4 rg 0 95 200 20 re f 1 1 1 rg", 0, 100, b"te zien"),
            (b"", 0, 80, b"bedekt"),
            (b".9 .2 .2 rg 0 70 200 25 re f", 0, 60, b" "),
            (b"", 0, 900, b"ernaast"),
        )
    )
    words += b"/OC /Uit BDC BT /F 12 Tf 20 40 Td (in een laag) Tj ET EMC"
    words += b" /OC /Aan BDC BT /F 12 Tf 20 20 Td (te zien) Tj ET EMC"
    place = b"/Rect[10 10 30 30]"
    return _pdf_of(
        b"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[(a) 9 0 R]>>>>"
        b"/AcroForm<</Fields[14 0 R]/XFA[(x)10 0 R]>>"
        b"/OCProperties<</OCGs[15 0 R 16 0 R]/D<</OFF[15 0 R]/Order[15 0 R 16 0 R]>>>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>"
        b"/Properties<</Uit 15 0 R/Aan 16 0 R>>>>/Annots[6 0 R 7 0 R 8 0 R 11 0 R 12 0 R 13 0 R 14 0 R]>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(words), words),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Type/Annot/Subtype/Text%s/Contents(klopt dit)/T(%s)>>" % (place, COMMENTER.encode()),
        b"<</Type/Annot/Subtype/Highlight%s/QuadPoints[10 30 30 30 10 10 30 10]/T(%s)>>"
        % (place, ADDER.encode()),
        b"<</Type/Annot/Subtype/Link%s/A<</S/URI/URI(http://intranet.example/anna)>>>>" % place,
        b"<</Type/Filespec/F(lijst.xlsx)/EF<</F 10 0 R>>>>",
        b"<</Type/EmbeddedFile/Length 2>>stream\nPK\nendstream",
        b"<</Type/Annot/Subtype/FileAttachment%s/FS 9 0 R>>" % place,
        b"<</Type/Annot/Subtype/Link%s/Dest[3 0 R/Fit]>>" % place,
        b"<</Type/Annot/Subtype/FileAttachment%s/FS<</F 5>>>>" % place,  # without a file
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(naam)/V(Anna)/F 2%s>>" % place,
        b"<</Type/OCG/Name(Laag)>>",
        b"<</Type/OCG/Name(Andere laag)>>",
    )


def a_pdf_with_actions() -> bytes:
    """Return a PDF page with a program in JavaScript, and three actions.

    One action has its name in another spelling, and one action is in a compressed stream of objects.
    """
    objects = zlib.compress(b"6 0 <</S/ImportData/F(a.fdf)>>")
    return _pdf_of(
        b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/GoTo/D[3 0 R/Fit]>>>>",
        b"<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/AA<</O<</S /Laun#63h/F(x.exe)>>>>>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/AA<</O<</S/JavaScript/JS(app.beep\\(\\))>>"
        b"/C<</S/SubmitForm/F(http://intranet.example)>>>>>>",
        b"<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>stream\n%s\nendstream"
        % (len(objects), objects),
        b"<</Type/ObjStm/Length 4>>stream\nnone\nendstream",
    )


def a_pdf_with_a_photo() -> bytes:
    """Return a PDF page with a photo that has its metadata, and with a maker in XMP."""
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator><rdf:Seq><rdf:li>%s</rdf:li>'
        b"</rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>"
    ) % COMMENTER.encode()
    photo = a_jpeg()
    return _pdf_of(
        b"<</Type/Catalog/Pages 2 0 R/Metadata 5 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Resources<</XObject<</P 4 0 R>>>>>>",
        b"<</Type/XObject/Subtype/Image/Width 48/Height 32/ColorSpace/DeviceRGB/BitsPerComponent 8"
        b"/Filter/DCTDecode/Length %d>>stream\n%s\nendstream" % (len(photo), photo),
        b"<</Type/Metadata/Subtype/XML/Length %d>>stream\n%s\nendstream" % (len(xmp), xmp),
    )


def a_cropped_pdf() -> bytes:
    """Return a PDF page of which programs show the lower part, with a text in each part."""
    words = b"BT /F 12 Tf 20 50 Td (te zien) Tj 0 100 Td (afgesneden) Tj ET"
    return _pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/CropBox[0 0 200 99]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(words), words),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )


def a_locked_pdf() -> bytes:
    """Return a PDF that opens only with a password, which no one knows."""
    marks = b"<</Filter/Standard/V 1/R 2/P -4/O(%s)/U(%s)>>" % (b"o" * 32, b"u" * 32)
    locked = b"/Encrypt %s/ID[(a)(a)]" % marks
    return _pdf_of(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>", trailer=locked)


def _pdf_of(*objects: bytes, trailer: bytes = b"") -> bytes:
    raw, places = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        places.append(b"%010d 00000 n \n" % len(raw))
        raw += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(places)
    facts = b"/Size %d/Root 1 0 R%s" % (len(objects) + 1, trailer)
    end = b"trailer\n<<%s>>\nstartxref\n%d\n%%%%EOF" % (facts, len(raw))
    return raw + table + end


def _picture() -> Image.Image:
    return Image.linear_gradient("L").convert("RGB").resize((48, 32))
