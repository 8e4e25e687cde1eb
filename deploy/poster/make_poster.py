"""`steunpunt poster`: the four files."""

from collections.abc import Iterator
from pathlib import Path

from crypto.passphrase import Language
from deploy.errors import PosterError
from deploy.poster import poster_markup
from deploy.poster.poster_content import LANGUAGES, PosterFacts, compose_poster
from protocol.letterhead import Letterhead
from report import pdf
from report.errors import PdfToolsMissingError
from source_app.config import SourceConfig

_TELEPHONE_CHARS = 30  # what fits in its line


def make_posters(
    source: SourceConfig, letterhead: Letterhead, folder: Path, telephone: str
) -> Iterator[Path]:
    """Write the poster in each language, as SVG and as PDF; yield each file once it is there.

    Raises:
        PosterError: there is no onion to tell of, the number is too long, or a file cannot be made.
    """
    if not source.onion_host:
        raise PosterError(
            "The poster carries the onion's address, and the settings name none: fill in 'onion_host' under "
            "[source] (steunpunt onion status tells it)."
        )
    if len(telephone) > _TELEPHONE_CHARS or not telephone.isprintable():
        raise PosterError(f"A telephone number is one line of at most {_TELEPHONE_CHARS} characters.")
    for language in LANGUAGES:
        poster = compose_poster(_facts(source, letterhead, language, telephone), language)
        yield _write(folder / f"poster-{language}.svg", poster_markup.poster_svg(poster))
        try:
            paper = pdf.render_pdf(poster_markup.poster_html(poster))
        except PdfToolsMissingError as why:
            raise PosterError(
                "This machine cannot make a PDF: install libpango-1.0-0 and libpangoft2-1.0-0. SVG is made."
            ) from why
        yield _write(folder / f"poster-{language}.pdf", paper)


def _facts(source: SourceConfig, letterhead: Letterhead, language: Language, telephone: str) -> PosterFacts:
    return PosterFacts(
        desk_name=letterhead.desk_name[language],
        onion_host=source.onion_host,
        clear_origin=source.origin if source.origin.startswith("https://") else "",
        fingerprint=source.fingerprint,
        openpgp_fingerprint=letterhead.openpgp_fingerprint or "",
        telephone=telephone,
        working_days=letterhead.working_days,
    )


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as why:
        raise PosterError(f"{path} cannot be written ({type(why).__name__}).") from why
    return path
