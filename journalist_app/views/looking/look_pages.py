"""Pages that show a file as pictures, text and sound, and the question before the original is saved."""

from datetime import timedelta

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.conversion.file_pages import ShownPage
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import FileRefusal, FileRefusedError
from journalist_app.requests.access import unlocked
from journalist_app.requests.form_context import address_of, error_page
from journalist_app.services.mailbox import file_looks
from web.headers import FILE_CSP, PAGE_CSP

bp = Blueprint("look", __name__, url_prefix="/mailbox")
_RENEW_SECONDS = 2
_CSP = f"{PAGE_CSP}; img-src 'self'; media-src 'self'"


@bp.get("/<address>/look/<which>/<int:number>")
@unlocked
def show_look(desk: OpenDesk, address: str, which: str, number: int) -> ResponseReturnValue:
    """Show one page of a converted file, or the progress of the conversion.

    The first request starts the conversion in the background.
    """
    try:
        named, file = file_looks.look_at(desk, address_of(address), which)
    except FileRefusedError as why:
        return _refused(why)
    if not 1 <= number <= max(1, file.count):
        return error_page("missing", 404)
    refusal = file.refusal_of(number)
    if isinstance(refusal, FileRefusal):
        return _refused(FileRefusedError(refusal))
    page = desk.shown_files.page(file, number)
    shown = render_template(
        "look/show.html",
        address=address,
        which=which,
        name=named.name,
        file=file,
        number=number,
        page=page or ShownPage(),
        is_ready=page is not None,
        refusal=refusal,
        moment=str(timedelta(seconds=page.seconds)) if page and page.seconds >= 0 else "",
    )
    response = make_response(shown)
    response.headers["Content-Security-Policy"] = _CSP
    if page is None and refusal is None:
        again = url_for("look.show_look", address=address, which=which, number=number, renewed=1)
        response.headers["Refresh"] = f"{_RENEW_SECONDS}; url={again}"
    return response


@bp.get("/<address>/look/<which>/<int:number>/picture")
@unlocked
def show_picture(desk: OpenDesk, address: str, which: str, number: int) -> ResponseReturnValue:
    """Send the picture of one converted page as a PNG file, which our own code wrote."""
    return _content(_ready_page(desk, address, which, number).picture, "image/png")


@bp.get("/<address>/look/<which>/<int:number>/sound")
@unlocked
def play_sound(desk: OpenDesk, address: str, which: str, number: int) -> ResponseReturnValue:
    """Send the sound of one converted page as a WAV file, which our own code wrote."""
    return _content(_ready_page(desk, address, which, number).sound, "audio/wav")


@bp.get("/<address>/save/<which>")
@unlocked
def ask_before_saving(desk: OpenDesk, address: str, which: str) -> ResponseReturnValue:
    """Ask whether to save the original of a file, with the risks of saving it."""
    try:
        named = file_looks.find_file(desk, address_of(address), which)
    except FileRefusedError as why:
        return _refused(why)
    is_opened = "opened" in request.args
    return render_template("look/save.html", address=address, which=which, named=named, is_opened=is_opened)


def _refused(why: FileRefusedError) -> ResponseReturnValue:
    return error_page(why.reason, 404 if why.reason is FileRefusal.MISSING else 409)


def _ready_page(desk: OpenDesk, address: str, which: str, number: int) -> ShownPage:
    file = desk.shown_files.find((address_of(address), which))
    return (desk.shown_files.page(file, number) if file else None) or ShownPage()


def _content(content: bytes, mimetype: str) -> ResponseReturnValue:
    if not content:
        return error_page("missing", 404)
    response = Response(content, mimetype=mimetype, headers={"Content-Security-Policy": FILE_CSP})
    return response.make_conditional(request.environ, accept_ranges=True, complete_length=len(content))
