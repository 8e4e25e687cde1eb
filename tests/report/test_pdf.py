"""PDF reports: accessible, and nothing is fetched."""

import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from report import html, pdf
from report.errors import PdfToolsMissingError, ReportError
from tests.report.test_document import a_document


def test_a_pdf_is_tagged_titled_and_describes_its_charts(tmp_path: Path) -> None:
    raw = pdf.render_pdf(html.render_html(a_document()))
    paper = tmp_path / "report.pdf"
    paper.write_bytes(raw)
    about = subprocess.run(["pdfinfo", paper], capture_output=True, check=True, text=True).stdout
    text = subprocess.run(
        ["pdftotext", "-layout", paper, "-"], capture_output=True, check=True, text=True
    ).stdout
    packed = re.findall(rb"/FlateDecode.*?stream\r?\n(.*?)\r?\nendstream", raw, re.DOTALL)
    inside = raw + b"".join(zlib.decompress(part) for part in packed)
    assert re.search(r"^Title: +Jaarverslag 2026$", about, re.MULTILINE)
    assert re.search(r"^Tagged: +yes$", about, re.MULTILINE)
    assert re.search(r"^JavaScript: +no$", about, re.MULTILINE)
    assert not re.search(r"^(Creation|Mod)Date", about, re.MULTILINE)  # they would reveal a time of day
    assert b"pdfuaid:part" in inside
    assert b"/Lang (nl)" in inside
    assert b"DisplayDocTitle true" in inside
    assert 2 == inside.count(b"/Alt ")
    assert re.search(r"Pesten +20\b", text)


@pytest.mark.parametrize("where", ["http://example.org/x.png", "file:///etc/passwd", "x.png"])
def test_a_pdf_fetches_nothing(where: str) -> None:
    with pytest.raises(ReportError, match="outside itself"):
        pdf.render_pdf(
            f'<html lang="nl"><title>x</title><link rel="stylesheet" href="{where}"></html>'.encode()
        )


def test_missing_libraries_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(PdfToolsMissingError):
        pdf.render_pdf(b"<html></html>")
