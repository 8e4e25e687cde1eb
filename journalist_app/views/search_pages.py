"""Search page for decrypted entries and notes.

The query is sent in a POST form, because a URL with the query would stay in the browser's history.
"""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import IndexMissingError
from journalist_app.forms import SHORT_BYTES
from journalist_app.requests.access import is_our_form, unlocked
from journalist_app.search.text_index import QUERY_WORDS_MAX, query_words
from journalist_app.services import search_mailboxes
from journalist_app.services.search_mailboxes import SearchResults
from web.form_limits import TOKEN_BYTES, takes

bp = Blueprint("search", __name__)
_QUERY_CHARS = 200
_PAGE_MAX = 100_000


@bp.get("/search")
@unlocked
def show_search_form(desk: OpenDesk) -> ResponseReturnValue:
    """Show the search form of the adviser's site, without results."""
    return _page(SearchResults("", 1, (), 0, has_more=False, reading=desk.index.reading))


@bp.post("/search")
@takes(token=TOKEN_BYTES, page=TOKEN_BYTES, query=SHORT_BYTES)
@unlocked
def show_search_results(desk: OpenDesk) -> ResponseReturnValue:
    """Search for the query, and show the mailboxes that contain its words."""
    query = request.form.get("query", "").strip()
    page = min(max(1, request.form.get("page", 1, type=int)), _PAGE_MAX)
    nothing = SearchResults(query, 1, (), 0, has_more=False, reading=desk.index.reading)
    if not is_our_form("search", request.form.get("token", "")):
        return _page(nothing, refusal="stale", status=403)
    if len(query) > _QUERY_CHARS or not 0 < len(query_words(query)) <= QUERY_WORDS_MAX:
        return _page(nothing, refusal="query", status=422)
    try:
        return _page(search_mailboxes.search(desk, query, page))
    except IndexMissingError:
        return _page(nothing, refusal="missing", status=503)


def _page(results: SearchResults, *, refusal: str = "", status: int = 200) -> ResponseReturnValue:
    return render_template("search/show.html", results=results, refusal=refusal), status
