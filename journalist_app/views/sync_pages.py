"""Page of syncing with the server: status, start a sync, and pouches (sync bundles) carried as files."""

import itertools
from collections.abc import Iterator
from contextlib import suppress

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk, SyncProgress
from journalist_app.requests.access import open_desk, require_our_form, unlocked
from journalist_app.requests.file_response import file_response, keep_awake
from journalist_app.requests.form_context import address_of, adviser_today
from journalist_app.services.whole_desk import sync_replica, sync_status
from store.errors import StoreError
from sync.endpoint import Endpoint
from sync.errors import SyncRefusedError
from web.errors import BodyError
from web.form_limits import TOKEN_BYTES, body_of, takes
from web.multipart import Body, Field, FileBytes, FormLimits, read_parts

bp = Blueprint("sync", __name__, url_prefix="/sync")
_RENEW_SECONDS = 3
_FORM_BYTES = 64 * 1024  # for the fields and the boundaries, besides the pouch
_DRAIN_BYTES = 64 * 1024 * 1024
_PARTS = 4
# The file for the recipient waits until the server has the step of these forms.
_AT_ONCE = frozenset({"proposals.start_passing_on", "proposals.start_without_consent"})


@bp.get("")
@unlocked
def show_sync(desk: OpenDesk) -> ResponseReturnValue:
    """Show the status of syncing with the server.

    During a sync, the page reloads itself, unless the adviser stopped the reloading.
    """
    is_refreshing = desk.exchange.is_running and "still" not in request.args
    page = render_template(
        "sync/show.html",
        exchange=desk.exchange,
        is_paired=sync_status.is_paired(desk),
        minutes=desk.config.sync_minutes,
        found=sync_status.faults_at_server(desk),
        not_arrived=sync_status.undelivered_mailboxes(desk),
        waiting=sync_status.waiting_by_kind(desk),
        is_refreshing=is_refreshing,
    )
    response = make_response(page)
    if is_refreshing:
        response.headers["Refresh"] = f"{_RENEW_SECONDS}; url={url_for('sync.show_sync', renewed=1)}"
    return response


@bp.post("")
@takes(token=TOKEN_BYTES)
@unlocked
def start_sync(desk: OpenDesk) -> ResponseReturnValue:
    """Start a sync with the server in the background."""
    require_our_form("sync")
    sync_replica.sync_in_background(desk, _endpoint(desk))
    return redirect(url_for("sync.show_sync"), code=303)


@bp.post("/pouch")
@takes(token=TOKEN_BYTES)
@unlocked
def download_pouch(desk: OpenDesk) -> ResponseReturnValue:
    """Make a sync bundle, and send it to the browser as a file for someone to carry to the server."""
    require_our_form("sync")
    try:
        pieces = sync_replica.make_pouch_file(_endpoint(desk))
    except (SyncRefusedError, StoreError) as why:
        desk.exchange = SyncProgress(refusal=sync_replica.sync_refusal_key(why))
        return redirect(url_for("sync.show_sync"), code=303)
    return file_response(keep_awake(pieces), f"{adviser_today().isoformat()}.pouch")


@bp.post("/import")
@takes(token=TOKEN_BYTES)
@unlocked
def import_carried_pouch(desk: OpenDesk) -> ResponseReturnValue:
    """Apply a sync bundle that someone carried as a file from the server to this workstation."""
    limit = current_app.extensions["config"].store_bytes + _FORM_BYTES
    body = body_of(request, limit)
    try:
        pieces = _pouch_pieces(body)
        first = next(pieces, b"")
        if first:
            sync_replica.import_pouch_file(
                desk, _endpoint(desk), keep_awake(itertools.chain([first], pieces))
            )
        else:
            desk.exchange = SyncProgress(refusal="no_file")
    except BodyError:
        body.drain(_DRAIN_BYTES)
        desk.exchange = SyncProgress(refusal="cut_off")
    return redirect(url_for("sync.show_sync"), code=303)


def _pouch_pieces(body: Body) -> Iterator[bytes]:
    """Check the CSRF token of the form, and return the uploaded sync bundle in pieces, as they arrive.

    The browser sends the token before the bundle.

    Raises:
        ForeignFormError: the token is missing or wrong.
        BodyError: the request body is malformed, too large or cut off.
    """
    limits = FormLimits(_PARTS, {"token": TOKEN_BYTES})
    events = read_parts(body, request.content_type or "", limits)
    token = next((event.text for event in events if isinstance(event, Field)), "")
    require_our_form("sync", token)
    return (event.piece for event in events if isinstance(event, FileBytes))


def _endpoint(desk: OpenDesk) -> Endpoint:
    return sync_replica.workstation_endpoint(desk, current_app.extensions["today"])


@bp.post("/dismiss")
@takes(token=TOKEN_BYTES)
@unlocked
def dismiss_rollback_notice(desk: OpenDesk) -> ResponseReturnValue:
    """Hide the notice that the server was restored from an older copy. The adviser has read the notice."""
    require_our_form(request.path)
    sync_status.dismiss_rollback(desk)
    return redirect(url_for("sync.show_sync"), code=303)


@bp.post("/dismiss/<address>")
@takes(token=TOKEN_BYTES)
@unlocked
def dismiss_finding_notice(desk: OpenDesk, address: str) -> ResponseReturnValue:
    """Hide the notice about a fault in the server's copy of a mailbox.

    The adviser submits this form after calling the operator.
    """
    require_our_form(request.path)
    sync_status.dismiss_finding(desk, address_of(address))
    return redirect(url_for("sync.show_sync"), code=303)


@bp.after_app_request
def sync_after_post(response: Response) -> Response:
    """Start a sync soon after each submitted form, so that new entries reach the server.

    If the form begins to pass on a proposal, the sync starts immediately.
    """
    # After a form of `_AT_ONCE`, the adviser waits for the server's confirmation.
    desk = open_desk() if request.method == "POST" and request.blueprint not in {"unlock", "sync"} else None
    if desk is not None:
        with suppress(StoreError):  # the page itself reports what is wrong with the store
            if request.endpoint in _AT_ONCE:
                sync_replica.sync_in_background(desk, _endpoint(desk))
            else:
                sync_replica.sync_soon(desk)
    return response
