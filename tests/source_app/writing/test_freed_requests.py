"""After each request, also a refused one, nothing keeps the keys and texts of the mailbox in memory."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType

import pytest
from werkzeug.test import EnvironBuilder

from source_app.passphrase_typos import PassphraseTypos
from source_app.services.login import MailboxSession
from source_app.services.posting import Posting
from source_app.services.uploads import ReceivedForm
from source_app.services.verified_mailbox import SourceMailbox
from source_app.session_cookie import seal_cookie
from tests.source_app.desks import MULTIPART, ADesk, SourceBrowser, multipart
from tests.source_app.views import broken_stores
from tests.source_app.views.broken_stores import Repair
from web.dates import half_hour_now
from web.form_limits import LimitedRequest

KEPT = (MailboxSession, SourceMailbox, Posting, ReceivedForm, LimitedRequest)
TEXT = "what the source typed"
PHOTO = ("photo.png", b"x" * 300_000)


def _answer(a_desk: ADesk, environ: dict[str, object]) -> int:
    """Answer a request as the server does: at its end, the server forgets the request. Return the status."""
    statuses = []
    body = a_desk.app(environ, lambda status, *_: statuses.append(int(status[:3])))
    with suppress(Exception):  # a damaged file ends too early
        b"".join(body)
    body.close()  # type: ignore[attr-defined]  # of Werkzeug
    environ.clear()
    return statuses[0]


def _requests(a_desk: ADesk, source: SourceBrowser) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the name and the environment of each request, of which most are refused."""
    cookie = source.client.get_cookie("mailbox")
    assert cookie is not None
    typo = seal_cookie(PassphraseTypos(2), a_desk.desk.server_secret, half_hour_now())
    own = source.write(TEXT, [PHOTO]).location.rpartition("/")[2]
    thread = a_desk.thread_of(source)
    (file,) = thread.entries[-1].files
    proposal = a_desk.propose(a_desk.keys_of(source), TEXT).envelope.entry_id.hex()

    def ask(
        path: str, data: object = None, *, value: str = cookie.value, **more: object
    ) -> dict[str, object]:
        more = {"method": "GET" if data is None else "POST", "data": data, **more}
        builder = EnvironBuilder(path, headers={"Cookie": f"mailbox={value}"}, **more)  # type: ignore[arg-type]
        return builder.get_environ()

    def form(change: Mapping[str, str] = MappingProxyType({}), files: int = 1) -> bytes:
        return multipart({**source.form_context(), "text": TEXT, **change}, [PHOTO] * files)

    whole = form()
    for cut in (10, 300, 700, len(whole) // 2, len(whole) - 3):
        yield f"cut after {cut}", ask("/en/mailbox/write", whole[:cut], content_type=MULTIPART)
    refused = {
        "another token": form({"token": "x"}),
        "a text that is too long": form({"text": "x" * 60_000}),
        "a passphrase": form({"text": source.passphrase}),
        "too many files": form(files=9),
        "nothing": form({"text": ""}, 0),
    }
    for name, body in refused.items():
        yield name, ask("/en/mailbox/write", body, content_type=MULTIPART)
    for path in ("", "/save", "/write", f"/entry/{own}", f"/received/{own}", f"/proposal/{proposal}", "/end"):
        yield path, ask(f"/en/mailbox{path}")
    yield "file", ask(f"/en/mailbox/files/{file.id}")
    yield "no file", ask(f"/en/mailbox/files/{'00' * 16}")
    yield "no id", ask("/en/mailbox/entry/zz")
    yield "no page", ask(f"/en/{TEXT}")
    yield "another method", ask("/en/mailbox/write", whole, method="PUT")
    yield "another host", ask("/en/mailbox", base_url="http://example.org")
    for path in ("keep", f"proposal/{proposal}", f"delete/{own}", "end"):
        yield f"{path}: empty", ask(f"/en/mailbox/{path}", {"text": TEXT})
        yield f"{path}: too long", ask(f"/en/mailbox/{path}", {"text": TEXT * 50_000})
        yield f"{path}: with files", ask(f"/en/mailbox/{path}", whole, content_type=MULTIPART)
    for words in (source.passphrase, "abacus", "x" * 5_000):
        yield f"log in: {words[:9]}", ask("/en/log-in", {"words": words, "text": TEXT}, value="")
    yield "failed log-in", ask("/en/mailbox", value=typo)
    yield "ticket", ask("/en/practise", {"ticket": "x", "words": source.passphrase})


def _kept() -> list[str]:
    return [type(each).__name__ for each in gc.get_objects() if isinstance(each, KEPT)]


@pytest.mark.slow
@pytest.mark.parametrize("fault", [None, broken_stores.missing])
def test_no_request_is_kept_until_the_garbage_collector_runs(
    a_desk: ADesk, source: SourceBrowser, fault: Callable[[ADesk], Repair] | None
) -> None:
    """Attack: a cut upload left the root key in memory: its exception and its frames refer to each other."""
    requests = dict(_requests(a_desk, source))
    repair = fault(a_desk) if fault else lambda: None
    kept = {}
    gc.collect()
    gc.disable()
    try:
        usual = _kept()
        for name, environ in requests.items():
            _answer(a_desk, environ)
            if left := _kept()[len(usual) :]:
                kept[name] = left
                gc.collect()
    finally:
        gc.enable()
        repair()

    assert kept == {}
