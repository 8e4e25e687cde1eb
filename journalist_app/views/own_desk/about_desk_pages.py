"""Page with facts about this desk, and the form that replaces a missing or damaged trusted state.

With the trusted state, the workstation detects a roll-back of the store.
"""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.requests.access import require_our_form, unlocked
from web.form_limits import TOKEN_BYTES, takes

bp = Blueprint("about", __name__)


@bp.get("/about")
@unlocked
def show_about_desk(desk: OpenDesk) -> ResponseReturnValue:
    """Show the desk's fingerprint, and paths of its files."""
    return render_template(
        "about/show.html",
        config=desk.config,
        letterhead=desk.letterhead,
        check=desk.whole_check,
        trusted_state=desk.trusted_state_status.value,
    )


@bp.post("/replace-trusted-state")
@takes(token=TOKEN_BYTES)
@unlocked
def replace_trusted_state(desk: OpenDesk) -> ResponseReturnValue:
    """Replace the missing or damaged file of the trusted state by the state that is in memory.

    With its trusted state, a workstation detects that someone restored an older copy of the store.
    """
    require_our_form("replace-trusted-state")
    desk.replace_lost_trusted_state()
    return redirect(url_for("inbox.show_inbox"), code=303)
