"""Files of the poster, for `steunpunt server poster`: the same page as PDF and as SVG, in each language."""

from collections.abc import Iterator
from pathlib import Path

from deploy.errors import DeployError, os_error_as, refused_as
from deploy.pinned_letterhead import refuse_trial
from deploy.poster.poster_content import Poster, PosterFacts, compose_poster
from programs.errors import ProgramFailedError
from programs.runner import ProgramLimits, run_program
from protocol.letterhead import Letterhead
from report import pdf
from report.errors import PdfToolsMissingError
from report.html import templates_of
from source_app.config import SourceConfig
from web.languages import closest, languages_with

_TELEPHONE_CHARS = 30  # as many as fit on one line of the poster
_NO_PDF = "This machine cannot make a PDF. Install libpango-1.0-0 and libpangoft2-1.0-0."
_NO_SVG = "The PDF was written, but this machine cannot make an SVG drawing of it. Install poppler-utils."
_PDFTOCAIRO = "/usr/bin/pdftocairo"
_SVG_LIMITS = ProgramLimits(60, memory_bytes=2_000_000_000, output_bytes=20_000_000)


def make_posters(
    source: SourceConfig, letterhead: Letterhead, folder: Path, telephone: str
) -> Iterator[Path]:
    """Write the desk's poster in each language, as PDF and as SVG, and yield the path of each file.

    Raises:
        DeployError: the onion address is missing, the telephone number is not one short line, or a file
            cannot be made.
    """
    refuse_trial(letterhead, "it has no poster")
    if not source.onion_host:
        raise DeployError(
            "The poster shows the onion's address, but the settings name none: fill in 'onion_host' under "
            "[source] (steunpunt onion status prints it)."
        )
    if len(telephone) > _TELEPHONE_CHARS or not telephone.isprintable():
        raise DeployError(f"A telephone number is one line of at most {_TELEPHONE_CHARS} characters.")
    for language in languages_with("poster", source.languages):
        poster = compose_poster(_facts(source, letterhead, language, telephone), language)
        with refused_as(PdfToolsMissingError, _NO_PDF):
            document = pdf.render_pdf(poster_html(poster))
        path = _write(folder / f"poster-{language}.pdf", document)
        yield path
        yield _write(path.with_suffix(".svg"), _svg_of(path))


def poster_html(poster: Poster) -> bytes:
    """Return the poster as an HTML page for A4 paper. The page loads no other file."""
    page = templates_of("deploy.poster").get_template("poster.html")
    return page.render(poster=poster, words=poster.words, facts=poster.facts).encode()


def _svg_of(path: Path) -> bytes:
    """Return the page of a PDF as an SVG drawing, in which each letter is an outline."""
    command = (_PDFTOCAIRO, "-svg", str(path.absolute()), "-")
    with os_error_as(_NO_SVG), refused_as(ProgramFailedError, _NO_SVG):
        return run_program(command, _SVG_LIMITS)


def _facts(source: SourceConfig, letterhead: Letterhead, language: str, telephone: str) -> PosterFacts:
    desk_language = closest(language, letterhead.desk_name)
    return PosterFacts(
        desk_name=letterhead.desk_name[desk_language],
        desk_language=desk_language,
        onion_host=source.onion_host,
        clear_origin=source.origin if source.origin.startswith("https://") else "",
        fingerprint=source.fingerprint,
        openpgp_fingerprint=letterhead.openpgp_fingerprint or "",
        telephone=telephone,
        working_days=letterhead.working_days,
    )


def _write(path: Path, content: bytes) -> Path:
    with os_error_as(f"{path} cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path
