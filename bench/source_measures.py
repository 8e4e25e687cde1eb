"""What a source waits for: opening, coming back, leaving a message, and the start page in a crowd."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from bench import fill, memory, yardstick
from bench.report import Finding, at_least, at_most, milliseconds
from bench.source import Returning, Source
from bench.stage import Stage
from bench.timing import Timed, beside, interleaved, median, percentile, timed, together
from bench.yardstick import Yardstick
from crypto import passphrase
from protocol.session import form_token
from source_app.services.posting import FormContext

_CLIENTS = 8
_TEXT = "x" * 1024
_REST_BYTES = 80e6
_PLUS_SECONDS = 0.040
_CROWD_PLUS_SECONDS = 0.025


def at_rest(stage: Stage) -> Iterator[Finding]:
    """Weigh the workers when each has served a few pages and nobody is there."""
    for _ in range(stage.turns(20)):
        with stage.source() as source:
            source.start_page()
    with stage.source() as source:
        source.open_mailbox()
        source.submit(_TEXT)
    with stage.adviser() as adviser:
        adviser.unlock(stage.world.desk.passphrase)
        adviser.inbox()
        adviser.wait_until_checked()
    for name, server in (("source", stage.world.source), ("adviser", stage.world.adviser)):
        heaviest = max(server.workers, key=memory.resident_bytes)
        size = memory.resident_bytes(heaviest)
        yield Finding(
            f"worker memory at rest, {name}'s interface",
            f"{size / 1e6:.1f} MB",
            f"{memory.proportional_bytes(heaviest) / 1e6:.1f} MB are its own (PSS)",
            "",
            "at most 80 MB",
            at_most(size, _REST_BYTES),
        )


def opening(stage: Stage) -> Iterator[Finding]:
    """Open a mailbox, from the first page to the last, beside one Argon2id call."""

    def open_one() -> None:
        with stage.source() as source:
            source.open_mailbox()

    argon2, opened = interleaved(stage.turns(15), timed(_one_argon2id(stage)), timed(open_one))
    yield _beside_argon2id("open a mailbox (four requests)", median(opened), median(argon2))


def logging_in(stage: Stage) -> Iterator[Finding]:
    """Log in with ten replies waiting, until the mailbox page is complete, beside one Argon2id call."""
    with stage.source() as source:
        kept = source.open_mailbox()
        source.submit(_TEXT)
    fill.replies(stage.world.desk, kept, 10)

    def come_back() -> float:
        with stage.source() as source:
            form = source.log_in_form()
            return timed(lambda: source.log_in_with(form, kept))()

    argon2, entered = interleaved(stage.turns(15), timed(_one_argon2id(stage)), come_back)
    yield _beside_argon2id("log in, ten replies waiting", median(entered), median(argon2))


def posting(stage: Stage) -> Iterator[Finding]:
    """Post 1 KiB beside a view that inserts one row: alone, then with eight clients."""
    with stage.source() as source:
        source.open_mailbox()
        row, post = interleaved(
            stage.turns(300),
            timed(yardstick.inserting(stage.yardstick, _TEXT)),
            one_post(source),
            warm_ups=10,
        )
    ours, bare = median(post), median(row)
    yield Finding(
        "post 1 KiB, one client",
        milliseconds(ours),
        f"{milliseconds(bare)}, one row inserted",
        f"{ours / bare:.2f}",
        "at most 3 x",
        at_most(ours, 3 * bare),
    )
    crowd = [Posting(each) for each in _returning(stage)]
    rows = [Inserting(stage.yardstick)] * _CLIENTS
    first = together(rows, stage.seconds(4))
    posts = together(crowd, stage.seconds(8))
    second = together(rows, stage.seconds(4))
    bare = (first.per_second + second.per_second) / 2
    yield Finding(
        f"posts a second, {_CLIENTS} clients",
        f"{posts.per_second:.0f}, {posts.wrong} wrong",
        f"{bare:.0f} rows inserted",
        f"{posts.per_second / bare:.2f}",
        "at least 0.33 x",
        "missed: wrong answers" if posts.wrong else at_least(posts.per_second, bare / 3),
    )


def submitting(stage: Stage) -> Iterator[Finding]:
    """Write page, post and receipt with eight clients, each answer checked, each text found afterwards."""
    crowd = [Submitting(each, f"canary{number}") for number, each in enumerate(_returning(stage))]
    load = together(crowd, stage.seconds(12))
    kept = sum(_found(each, [other.canary for other in crowd]) for each in crowd)
    lost = max(0, load.done - kept)
    yield Finding(
        f"whole submissions a second, {_CLIENTS} clients",
        f"{load.per_second:.0f}, {load.wrong} wrong, {lost} lost",
        "none; 2 workers, write page + post + receipt",
        "",
        "130",
        "missed: wrong answers" if load.wrong + lost else at_least(load.per_second, 130),
    )


def start_page(stage: Stage) -> Iterator[Finding]:
    """Read the start page while four clients start mailboxes without pause."""
    idle: list[float] = []
    crowded: list[float] = []
    server = stage.world.source
    with stage.source() as reader:
        for _ in range(2):
            idle += interleaved(stage.turns(150), timed(reader.start_page), warm_ups=5)[0]
            with beside([Opening(server.host, server.port)] * 4, stage.seconds(8)) as running:
                while running():
                    crowded.append(timed(reader.start_page)())
    quiet, busy = percentile(idle, 0.95), percentile(crowded, 0.95)
    yield Finding(
        "start page (p95) while four start mailboxes",
        milliseconds(busy),
        f"{milliseconds(quiet)} (p95), idle",
        f"{busy / quiet:.2f}",
        "at most 3 x, or idle + 25 ms",
        at_most(busy, max(3 * quiet, quiet + _CROWD_PLUS_SECONDS)),
    )


def one_post(source: Source) -> Timed:
    """Return an action that posts 1 KiB and times the post alone, not the page before it."""

    def post() -> float:
        form = source.write_form()
        return timed(lambda: source.leave(form, _TEXT))()

    return post


@dataclass(frozen=True, slots=True)
class Inserting:
    """A client that has rows inserted."""

    yardstick: Yardstick

    def __call__(self) -> Callable[[], bool]:
        """Return its action."""
        return yardstick.inserting(self.yardstick, _TEXT)


@dataclass(frozen=True, slots=True)
class Posting:
    """A client that posts and does nothing else, on sheets that it makes itself from its cookie."""

    returning: Returning

    def __call__(self) -> Callable[[], bool]:
        """Return its action."""
        source = self.returning.source()
        form = source.write_form()
        (cookie,) = self.returning.cookies.values()

        def post() -> bool:
            form_context = FormContext(secrets.token_hex(16), form.hidden["seen"])
            token = form_token(bytes.fromhex(cookie), form_context.purpose)
            once = replace(
                form, hidden={"token": token, "entry_id": form_context.entry_id, "seen": form_context.seen}
            )
            return source.leave(once, _TEXT).endswith("/" + form_context.entry_id)

        return post


@dataclass(frozen=True, slots=True)
class Submitting:
    """A client that goes through the whole of a submission, with a text that names it."""

    returning: Returning
    canary: str

    def __call__(self) -> Callable[[], bool]:
        """Return its action."""
        return partial(self.returning.source().submit, (self.canary + " ").ljust(1024, "x"))


@dataclass(frozen=True, slots=True)
class Opening:
    """A client that starts one mailbox after another."""

    host: str
    port: int

    def __call__(self) -> Callable[[], bool]:
        """Return its action."""

        def start() -> bool:
            with Source(self.host, self.port) as source:
                return bool(source.open_mailbox())

        return start


def _one_argon2id(stage: Stage) -> Callable[[], object]:
    argon2 = fill.letterhead(stage.world.desk)
    return lambda: passphrase.derive_root_key("a b c d e f g", argon2.site_salt, argon2.argon2.params)


def _beside_argon2id(what: str, ours: float, argon2: float) -> Finding:
    limit = 1.3 * argon2 + _PLUS_SECONDS
    return Finding(
        what,
        milliseconds(ours),
        f"{milliseconds(argon2)}, Argon2id alone",
        f"{ours / argon2:.2f}",
        f"at most 1.3 x + 40 ms = {milliseconds(limit)}",
        at_most(ours, limit),
    )


def _returning(stage: Stage) -> list[Returning]:
    opened = []
    for _ in range(_CLIENTS):
        with stage.source() as source:
            source.open_mailbox()
            opened.append(source.returning())
    return opened


def _found(client: Submitting, canaries: list[str]) -> int:
    with client.returning.source() as source:
        text = source.mailbox()
    if any(canary + " " in text for canary in canaries if canary != client.canary):
        raise ValueError("a mailbox shows the text of another")
    return text.count(client.canary + " ")
