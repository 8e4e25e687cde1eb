"""Page with the evidence of proposals that were passed on: each proposal and the source's answer."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.requests.access import unlocked
from journalist_app.services.records import consent_evidence

bp = Blueprint("evidence", __name__)


@bp.get("/evidence")
@unlocked
def show_evidence(desk: OpenDesk) -> ResponseReturnValue:
    """Show every proposal that the desk has passed on, with the source's answer to the proposal."""
    return render_template("evidence/show.html", kept=consent_evidence.read_evidence(desk))
