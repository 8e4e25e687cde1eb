"""Table from a refusal to its reason and HTTP status, for the page that shows the form again."""

from journalist_app.errors import AdviserError, SendRefusal
from report.errors import PdfToolsMissingError
from store.errors import RecordMovedError, StoreError
from web.errors import BodyError, BodyFault

# The form itself is valid, but the mailbox or record changed since then, or fails verification.
_CONFLICTS = ("source_wrote", "form_reused", "moved", "mailbox_unsound", "record_unsound", "letterhead_moved")
_STATUSES = {**dict.fromkeys(_CONFLICTS, 409), "stale": 403}
_BODY_FAULTS: dict[BodyFault, tuple[str, int]] = {
    BodyFault.FIELD_TOO_LONG: (SendRefusal.TEXT_TOO_LONG, 422),
    BodyFault.TOO_MANY_PARTS: (SendRefusal.TOO_MANY_FILES, 422),
    BodyFault.TOO_LARGE: ("too_large", 413),
    BodyFault.CUT_OFF: ("cut_off", 400),
}
_OTHERS: dict[type[Exception], tuple[str, int]] = {
    RecordMovedError: ("moved", 409),
    PdfToolsMissingError: ("pdf", 409),
}
REFUSALS = (AdviserError, BodyError, StoreError)


def reason_and_status(why: Exception | None) -> tuple[str, int]:
    """Return the reason for a refusal, as a word for the templates, and the HTTP status of the page.

    If nothing was refused, the word is empty and the status is 200.
    """
    if why is None:
        return "", 200
    if isinstance(why, AdviserError):
        return why.reason, _STATUSES.get(why.reason, 422)
    if isinstance(why, BodyError):
        return _BODY_FAULTS.get(why.reason, ("malformed", 400))
    return _OTHERS.get(type(why), ("store", 503) if isinstance(why, StoreError) else ("malformed", 400))
