"""Pages of the signpost: questions, and outcomes with the routes (procedures) that may fit a visitor.

All pages have one size, and no answer is stored.
"""

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue

from source_app.errors import NotFoundError
from source_app.signpost.decision_tree import Route, Signposts
from source_app.views.request_context import config, lang, render_page
from web.languages import WRITTEN_IN

bp = Blueprint("signpost", __name__, url_prefix="/<language:lang>/s")


@bp.app_context_processor
def first_question() -> dict[str, int]:
    """Give every template the number of the signpost's first question, so that pages can link to it."""
    return {"signpost_first": next(iter(_signposts().values())).first}


@bp.get("/<int:number>")
def show_signpost(number: int) -> ResponseReturnValue:
    """Show a page of the signpost: a question, or the routes (procedures) that fit the visitor's answers.

    Visitors with and without a mailbox see the same page.
    """
    signpost = _signposts()[lang()]
    shown = signpost.page(number)
    if shown is None:
        raise NotFoundError
    # `is_open=False`: the page is the same for everyone. It has no log-out form, which would need the Origin
    # header that `no-referrer` removes.
    answer = render_page(
        "signpost/page.html",
        shown=shown,
        back=signpost.before(number),
        routes=signpost.route,
        where=_where(),
        is_open=False,
    )
    # With `no-referrer`, the browser sends no Referer header. Other pages have the Referrer-Policy
    # `same-origin`. With this policy, the visitor's next request would tell our server the number of the
    # signpost's page.
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _where() -> dict[Route, str]:
    """Return a dict from each procedure of the organisation to a text that says where to find the procedure.

    The texts come from the settings. A text that the settings do not contain is empty.
    """
    procedures = (Route.CONDUCT, Route.INTEGRITY, Route.COMPLAINTS)
    texts = {route: getattr(config(), f"where_{route}") for route in procedures}
    return {route: texts[route].get(lang()) or texts[route].get(WRITTEN_IN, "") for route in procedures}


def _signposts() -> Signposts:
    signposts: Signposts = current_app.extensions["signposts"]
    return signposts
