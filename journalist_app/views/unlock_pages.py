"""Pages to unlock and lock the desk, and to choose the language."""

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crypto.passphrase import LANGUAGES
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import UnlockRefusedError
from journalist_app.forms import PASSPHRASE_CHARS, SHORT_BYTES
from journalist_app.locale_format import LANGUAGE_COOKIE
from journalist_app.requests.access import COOKIE, auto_lock, is_our_form, open_desk, unlocked
from journalist_app.search.search_index import SearchIndex
from journalist_app.services.records import unsent_forms
from journalist_app.services.whole_desk import sync_replica, unlocking
from web.form_limits import TOKEN_BYTES, takes

bp = Blueprint("unlock", __name__)


def _unlock_page(reason: str, status: int) -> ResponseReturnValue:
    minutes = current_app.extensions["config"].idle_minutes
    return render_template("unlock/show.html", reason=reason, idle_minutes=minutes), status


@bp.get("/")
def go_to_inbox() -> ResponseReturnValue:
    """Redirect to the inbox."""
    return redirect(url_for("inbox.show_inbox"), code=303)


@bp.get("/unlock")
def show_unlock() -> ResponseReturnValue:
    """Show the form for the passphrase. If the desk is already unlocked, redirect to the inbox."""
    if open_desk() is not None:
        return redirect(url_for("inbox.show_inbox"), code=303)
    return _unlock_page(request.args.get("reason", ""), 200)


@bp.post("/unlock")
@takes(token=TOKEN_BYTES, passphrase=4 * PASSPHRASE_CHARS)
def unlock_with_passphrase() -> ResponseReturnValue:
    """Unlock the desk with the passphrase, and start the background checks and the syncs.

    The response redirects to the forms that were submitted while the app was locked, or to the inbox.
    """
    if not is_our_form("unlock", request.form.get("token", "")):
        return _unlock_page("stale", 403)
    extensions = current_app.extensions
    passphrase = request.form.get("passphrase", "")
    if not passphrase.strip():
        return _unlock_page("empty", 403)
    try:
        with auto_lock().unlocking:
            desk = unlocking.unlock_desk(extensions["config"], extensions["store"], passphrase)
    except UnlockRefusedError as why:
        return _unlock_page(why.reason, 403)
    desk.index = SearchIndex(extensions["readers"])
    unlocking.start_check_threads(desk, extensions["today"])
    sync_replica.start_sync_thread(desk, sync_replica.workstation_endpoint(desk, extensions["today"]))
    goal = "unsent.show_unsent" if unsent_forms.count_unsent(desk) else "inbox.show_inbox"
    response = make_response(redirect(url_for(goal), code=303))
    token = auto_lock().admit(desk)
    response.set_cookie(COOKIE, token.hex(), httponly=True, samesite="Strict", path="/")
    return response


@bp.after_app_request
def check_after_post(response: Response) -> Response:
    """Make the background thread check the store soon after each submitted form."""
    desk = open_desk() if request.method == "POST" else None
    if desk is not None:
        desk.check_wanted.set()
    return response


@bp.post("/lock")
@takes(token=TOKEN_BYTES)
@unlocked
def lock(desk: OpenDesk) -> ResponseReturnValue:
    """Lock the desk: drop its keys, and end the worker process after this response was sent."""
    if not is_our_form("lock", request.form.get("token", "")):
        return redirect(url_for("inbox.show_inbox"), code=303)
    desk.save()
    holder = auto_lock()
    holder.close()
    response = make_response(redirect(url_for("unlock.show_unlock", reason="locked"), code=303))
    response.delete_cookie(COOKIE, httponly=True, samesite="Strict", path="/")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    response.call_on_close(holder.end)
    return response


@bp.post("/language")
@takes(token=TOKEN_BYTES, language=TOKEN_BYTES, back=SHORT_BYTES)
def set_language() -> ResponseReturnValue:
    """Save the chosen language in a session cookie, and redirect to the page with the language form."""
    back = request.form.get("back", "")
    is_path = back.startswith("/") and not back.startswith(("//", "/\\")) and back.isprintable()
    response = make_response(redirect(back if is_path else url_for("inbox.show_inbox"), code=303))
    language = request.form.get("language", "")
    if language in LANGUAGES and is_our_form("language", request.form.get("token", "")):
        response.set_cookie(LANGUAGE_COOKIE, language, httponly=True, samesite="Strict", path="/")
    return response
