"""Coming in: a new passphrase, practising it, logging in, logging out."""

from collections.abc import Sequence

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from protocol.mailbox_keys import derive_mailbox_keys
from source_app.errors import LineFullError, NoMailboxError, OtherWordsError
from source_app.forms import LogInForm, LogOutForm, PractiseForm
from source_app.services import login as services
from source_app.views import answer_pages
from source_app.views.error_pages import come_again, trouble
from source_app.views.login_page import render_login
from source_app.views.request_context import (
    SessionTokens,
    current_day,
    current_session,
    desk,
    lang,
    remember,
    render_page,
    with_cookie,
    without_session,
)
from store.errors import StoreError
from web.dates import half_hour_now

bp = Blueprint("begin", __name__, url_prefix="/<any(nl, en):lang>")


@bp.route("/begin", methods=["GET", "POST"])
def passphrase() -> ResponseReturnValue:
    """Show a fresh passphrase, or the same one again to whoever comes back from practising."""
    now = half_hour_now()
    ticket = request.form.get("ticket", "")
    if ticket:
        words = services.ticket_words(desk(), ticket, now=now)
    else:
        words, ticket = services.draw_passphrase(desk(), lang(), now=now)
    return render_page("begin/passphrase.html", words=words, ticket=ticket)


@bp.post("/card")
def passphrase_card() -> ResponseReturnValue:
    """Show the words alone, made to be printed; nothing on the page says what they are for."""
    ticket = request.form.get("ticket", "")
    return render_page(
        "begin/card.html", words=services.ticket_words(desk(), ticket, now=half_hour_now()), ticket=ticket
    )


@bp.post("/practise")
def practise() -> ResponseReturnValue:
    """Ask to type the words back, and open the mailbox when they are right."""
    form = PractiseForm(request.form)
    ticket, typed = form.ticket.data or "", form.words.data or ""
    if not typed.strip():
        services.ticket_words(desk(), ticket, now=half_hour_now())
        return _practise_page(form)
    try:
        now_open = services.open_mailbox(desk(), ticket, typed, today=current_day(), now=half_hour_now())
    except OtherWordsError as why:
        return _practise_page(form, 422, wrong=why.wrong, unknown=why.unknown)
    except (LineFullError, StoreError) as why:
        return come_again(_practise_page(form, 503, refusal=trouble(why)))
    return with_cookie(redirect(url_for("mailbox.write_message", lang=lang()), code=303), now_open)


@bp.get("/log-in")
def log_in_page() -> ResponseReturnValue:
    """Ask for the passphrase."""
    return render_login(LogInForm())


@bp.post("/log-in")
def try_log_in() -> ResponseReturnValue:
    """Open a mailbox; a text that waited for it goes back to the page on which it was typed."""
    form = LogInForm(request.form)
    text = form.text.data
    try:
        now_open = services.log_in(desk(), form.words.data or "", now=half_hour_now())
    except NoMailboxError as why:
        return render_login(form, 422, refusal="no_mailbox", unknown=why.unknown)
    except (LineFullError, StoreError) as why:
        return come_again(render_login(form, 503, refusal=trouble(why)))
    remember(now_open)
    if text:
        typed_on = answer_pages.page_of_text(
            now_open, derive_mailbox_keys(now_open.root), text, form.proposal.data or ""
        )
        return with_cookie(typed_on, now_open)
    return with_cookie(redirect(url_for("mailbox.show_mailbox", lang=lang()), code=303), now_open)


@bp.post("/log-out")
def log_out_page() -> ResponseReturnValue:
    """Forget the session. A token that does not fit gets the same page: nobody is kept in."""
    here = current_session()
    if here is not None and LogOutForm(request.form, tokens=SessionTokens(here, "log-out")).validate():
        services.log_out(desk(), here.token)
    return without_session(redirect(url_for("pages.start_page", lang=lang()), code=303))


def _practise_page(
    form: PractiseForm,
    status: int = 200,
    *,
    refusal: str = "",
    wrong: Sequence[int] = (),
    unknown: Sequence[int] = (),
) -> Response:
    return render_page(
        "begin/practise.html",
        status,
        form=form,
        ticket=form.ticket.data,
        refusal=refusal,
        wrong=wrong,
        unknown=unknown,
    )
