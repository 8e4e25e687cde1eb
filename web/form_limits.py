"""Limits of forms: each view names the fields of its form, and a longer form is refused while it arrives.

A field is measured before it is decoded. Flask and Werkzeug would first read the whole body and decode it
several times, and would write a large body to the disk.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from flask import Request, current_app
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from web.errors import BodyError, BodyFault
from web.multipart import Body, FormLimits

TOKEN_BYTES = 256  # of a CSRF token, an id, a practice ticket or a choice
# Hexadecimal names of entries. Only a mailbox of which someone hid rows in the store has more than a few.
HEADS_BYTES = 256 * 1024
_ENCODED = 3  # bytes of a percent-encoded byte
_DECODED_AT_ONCE = 4096  # bytes
_SPARE_FIELDS = 4  # a browser or its extension may add a field that we ignore
_SPARE_BYTES = 128  # of such a field, and of the name of each field
_DRAIN_BYTES = 4 * 1024 * 1024  # a browser shows the refusal only after it has sent the whole form

_View = TypeVar("_View", bound=Callable[..., object])


def takes(*, more: int = 0, **field_bytes: int) -> Callable[[_View], _View]:
    """Decorate a view that receives a form. Each keyword is the limit of a field, in bytes of UTF-8.

    `more` is the number of extra values that tick boxes with the same name can send.
    """
    limits = FormLimits(len(field_bytes) + more + _SPARE_FIELDS, field_bytes)

    def declare(view: _View) -> _View:
        view.form_limits = limits  # type: ignore[attr-defined]  # read by `form_limits`
        return view

    return declare


def form_limits(endpoint: str | None) -> FormLimits | None:
    """Return the limits that the view of an endpoint declares, or None if the view receives no form."""
    return getattr(current_app.view_functions.get(endpoint or ""), "form_limits", None)


def small_form_bytes(limits: FormLimits) -> int:
    """Return the largest size, in bytes, of a percent-encoded form with these limits."""
    return _ENCODED * (limits.fields_bytes + _SPARE_BYTES)


class LimitedRequest(Request):
    """Request whose form is read in memory, without files, and with the limits that its view declares.

    After a refusal, `form` has the fields that arrived before, and the beginning of the refused field.
    """

    def _load_form_data(self) -> None:
        limits = form_limits(self.endpoint) or FormLimits(1, {})
        fields: MultiDict[str, str] = MultiDict()
        body = body_of(self, small_form_bytes(limits))
        try:
            if self.mimetype == "multipart/form-data":  # a form with files has a reader of its own
                raise BadRequest
            if self.mimetype == "application/x-www-form-urlencoded":
                for name, text in read_small_form(body, limits):
                    fields.add(name, text)
        except BodyError as why:
            fields.update(filter(None, [why.unfinished]))
            body.drain(_DRAIN_BYTES)
            raise (BadRequest if why.reason is BodyFault.CUT_OFF else RequestEntityTooLarge) from why
        finally:
            self.__dict__.update(
                form=ImmutableMultiDict(fields), files=ImmutableMultiDict(), stream=BytesIO()
            )


def body_of(request: Request, limit_bytes: int) -> Body:
    """Return a reader of the request body, which accepts at most `limit_bytes`.

    A body without an announced length counts as empty if the WSGI server does not mark its end.
    """
    is_empty = request.content_length is None and "wsgi.input_terminated" not in request.environ
    return Body(request.environ["wsgi.input"], 0 if is_empty else request.content_length, limit_bytes)


def read_small_form(body: Body, limits: FormLimits) -> Iterator[tuple[str, str]]:
    """Parse a percent-encoded form while it arrives, and yield the name and the text of each field.

    Raises:
        BodyError: the form is over a limit, or was cut off. `unfinished` of the exception is the field that
            was being read, or None.
    """
    unread = bytearray()
    try:
        for _ in range(limits.parts):
            while (end := unread.find(b"&")) < 0 and (piece := body.read()):
                unread += piece
                _refuse_long(unread, limits)
            _refuse_long(unread, limits)
            field = bytes(unread if end < 0 else unread[:end])
            del unread[: len(field) + 1]
            if field:
                yield _decoded(field)
            if end < 0:
                return
        raise BodyError(BodyFault.TOO_MANY_PARTS)  # noqa: TRY301  # the handler below keeps the field
    except BodyError as why:
        why.unfinished = _decoded(bytes(unread).partition(b"&")[0])
        raise


def _refuse_long(fields: bytearray, limits: FormLimits) -> None:
    """Refuse a form if the field that is arriving is already longer than its limit.

    `fields` has the bytes from the start of this field. The end of the field may not have arrived.
    """
    mark = fields.find(b"&")
    end = len(fields) if mark < 0 else mark
    name = bytes(fields[: min(end, _SPARE_BYTES)]).partition(b"=")[0]
    value_bytes = end - len(name) - 1
    escapes = min(fields.count(b"%", 0, end), value_bytes // _ENCODED)
    if value_bytes - (_ENCODED - 1) * escapes > limits.bytes_of(_plain(name)):
        raise BodyError(BodyFault.FIELD_TOO_LONG)


def _decoded(field: bytes) -> tuple[str, str]:
    name, _, value = field.partition(b"=")
    return _plain(name), _plain(value)


def _plain(encoded: bytes) -> str:
    """Decode a percent-encoded text in short pieces, because Python needs about 100 bytes per escape."""
    plain = bytearray()
    start = 0
    while start < len(encoded):
        end = start + _DECODED_AT_ONCE
        cut_escape = encoded.rfind(b"%", end - 2, end)
        end = end if cut_escape < 0 else cut_escape
        plain += unquote_to_bytes(encoded[start:end].replace(b"+", b" "))
        start = end
    return plain.decode("utf-8", "replace")
