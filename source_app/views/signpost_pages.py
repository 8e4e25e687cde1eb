"""Pages of the signpost: questions and the routes that they lead to. All have one size and store nothing."""

from flask import Blueprint, Response, current_app
from flask.typing import ResponseReturnValue

from source_app.errors import NotFoundError
from source_app.signpost.decision_tree import Route, Signposts
from source_app.views.request_context import config, lang, render_page

bp = Blueprint("signpost", __name__, url_prefix="/<any(nl, en):lang>/s")


@bp.app_context_processor
def first_question() -> dict[str, int]:
    """Add the number of the first question to every template, for its link to the signpost."""
    return {"signpost_first": _signposts()["nl"].first}


@bp.get("/<int:number>")
def show_signpost(number: int) -> ResponseReturnValue:
    """Show a question or an outcome, in the same way to visitors with and without an open mailbox."""
    signpost = _signposts()[lang()]
    shown = signpost.page(number)
    if shown is None:
        raise NotFoundError
    # `is_open=False`: the page is the same for everyone, and has no form that needs an Origin header.
    answer = render_page(
        "signpost/page.html",
        shown=shown,
        back=signpost.before(number),
        routes=signpost.route,
        where=_where(),
        is_open=False,
    )
    return _without_referrer(answer)


def _where() -> dict[Route, str]:
    """Return where to find each procedure outside this desk. Empty if the settings do not say."""
    ours, language = config(), lang()
    return {
        Route.CONDUCT: ours.where_conduct_nl if language == "nl" else ours.where_conduct_en,
        Route.INTEGRITY: ours.where_integrity_nl if language == "nl" else ours.where_integrity_en,
        Route.COMPLAINTS: ours.where_complaints_nl if language == "nl" else ours.where_complaints_en,
    }


def _without_referrer(answer: Response) -> Response:
    """Keep the page's number out of the next request. With `same-origin` the browser would send it to us."""
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _signposts() -> Signposts:
    signposts: Signposts = current_app.extensions["signposts"]
    return signposts
