"""What is kept of passing on."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from journalist_app.desk import OpenDesk
from journalist_app.services import evidence
from journalist_app.views.at_the_door import unlocked

bp = Blueprint("evidence", __name__)


@bp.get("/evidence")
@unlocked
def show(desk: OpenDesk) -> ResponseReturnValue:
    """Show every proposal that was passed on, and what its source answered."""
    return render_template("evidence/show.html", kept=evidence.kept(desk))
