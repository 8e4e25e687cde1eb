"""Measurements of the source interface: starting a mailbox, logging in, posting, and the busy start page."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

from bench import fill, memory
from bench.baselines import baseline
from bench.baselines.baseline import Baseline
from bench.bench_setup import BenchSetup
from bench.desk_servers import Desk
from bench.fill import DeskAuthor
from bench.processes import Server
from bench.report import Measurement, at_least, at_most, milliseconds
from bench.source import SavedSession, Source
from bench.timing import Timed, beside, interleaved, median, percentile, timed, together
from crypto import passphrase

CLIENTS = 8
_FEW_ENTRIES = 10
_MANY_ENTRIES = 2_000
TEXT = "x" * 1024
_REST_BYTES = 80e6
_PLUS_SECONDS = 0.040
_CROWD_PLUS_SECONDS = 0.025


def at_rest(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure the memory of the workers after each has served a few pages, while no one uses them."""
    for _ in range(setup.turns(20)):
        with setup.source() as source:
            source.start_page()
    with setup.source() as source:
        source.open_mailbox()
        source.submit(TEXT)
    with setup.adviser() as adviser:
        adviser.unlock(setup.servers.desk.passphrase)
        adviser.inbox()
        adviser.wait_until_checked()
    for name, server in (("source", setup.servers.source), ("adviser", setup.servers.adviser)):
        heaviest = max(server.workers, key=memory.resident_bytes)
        size = memory.resident_bytes(heaviest)
        yield Measurement(
            f"worker memory at rest, {name}'s interface",
            f"{size / 1e6:.1f} MB",
            f"{memory.proportional_bytes(heaviest) / 1e6:.1f} MB are its own (PSS)",
            "",
            "at most 80 MB",
            at_most(size, _REST_BYTES),
        )


def opening(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure starting a mailbox, from the first page to the last, in turns with one Argon2id call."""

    def open_one() -> None:
        with setup.source() as source:
            source.open_mailbox()

    argon2, opened = interleaved(setup.turns(15), timed(_one_argon2id(setup)), timed(open_one))
    yield _beside_argon2id("open a mailbox (four requests)", median(opened), median(argon2))


def logging_in(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure a log-in to a mailbox with ten new answers, in turns with one Argon2id call."""
    come_back = one_log_in(setup.servers.desk, setup.servers.source)
    argon2, entered = interleaved(setup.turns(15), timed(_one_argon2id(setup)), come_back)
    # Two answers are each sent at the next step of 100 ms, so that their time shows nothing (ADR 28).
    plus_seconds = _PLUS_SECONDS + 2 * 0.1
    yield _beside_argon2id("log in, ten replies waiting", median(entered), median(argon2), plus_seconds)


def posting(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure posting 1 KiB, in turns with a view that inserts one row: with one client, then with eight."""
    with setup.source() as source:
        source.open_mailbox()
        row, post = interleaved(
            setup.turns(300),
            timed(baseline.insert_action(setup.baseline, TEXT)),
            one_post(source),
            warm_ups=10,
        )
    own, bare = median(post), median(row)
    yield Measurement(
        "post 1 KiB, one client",
        milliseconds(own),
        f"{milliseconds(bare)}, one row inserted",
        f"{own / bare:.2f}",
        "at most 3 x",
        at_most(own, 3 * bare),
    )
    crowd = posting_clients([setup.servers.source])
    rows = [InsertingClient(setup.baseline)] * CLIENTS
    first = together(rows, setup.seconds(4))
    posts = together(crowd, setup.seconds(8))
    second = together(rows, setup.seconds(4))
    bare = (first.per_second + second.per_second) / 2
    yield Measurement(
        f"posts a second, each with its page, {CLIENTS} clients",
        f"{posts.per_second:.0f}, {posts.wrong} wrong",
        f"{bare:.0f} rows inserted",
        f"{posts.per_second / bare:.2f}",
        "at least 0.16 x, two requests for each",
        "missed: wrong answers" if posts.wrong else at_least(posts.per_second, bare / 6),
    )


def posting_in_long_mailboxes(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure posting 1 KiB into a mailbox of 2,000 entries, in turns with a mailbox of 10 entries."""
    count = _MANY_ENTRIES // 10 if setup.quick else _MANY_ENTRIES
    with contextlib.ExitStack() as stack:
        sources = []
        for entries in (_FEW_ENTRIES, count):
            with setup.source() as source:
                words = source.open_mailbox()
            fill.fill_mailbox(setup.servers.desk, words, entries)
            sources.append(stack.enter_context(setup.source()))
            sources[-1].log_in(words)
        few, many = interleaved(setup.turns(100), *(one_post(source) for source in sources), warm_ups=5)
    ratio = median(many) / median(few)
    yield Measurement(
        f"post 1 KiB into a mailbox of {count:,} entries",
        milliseconds(median(many)),
        f"{milliseconds(median(few))} into one of {_FEW_ENTRIES}",
        f"{ratio:.2f}",
        "at most 1.2 x",
        at_most(ratio, 1.2),
    )


def submitting(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure whole submissions (form, post, receipt) of eight clients.

    Each response is checked, and each text must be in its mailbox afterwards.
    """
    opened = _open_mailboxes([setup.servers.source])
    crowd = [SubmittingClient(session, f"canary{number}") for number, (_, session) in enumerate(opened)]
    load = together(crowd, setup.seconds(12))
    kept = sum(_found(each, [other.canary for other in crowd]) for each in crowd)
    lost = max(0, load.done - kept)
    yield Measurement(
        f"whole submissions a second, {CLIENTS} clients",
        f"{load.per_second:.0f}, {load.wrong} wrong, {lost} lost",
        "none; 2 workers, write page + post + receipt",
        "",
        "130",
        "missed: wrong answers" if load.wrong + lost else at_least(load.per_second, 130),
    )


def start_page(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure the start page while four clients start one mailbox after another."""
    idle: list[float] = []
    crowded: list[float] = []
    server = setup.servers.source
    with setup.source() as reader:
        for _ in range(2):
            idle += interleaved(setup.turns(150), timed(reader.start_page), warm_ups=5)[0]
            with beside([OpeningClient(server.host, server.port)] * 4, setup.seconds(8)) as running:
                while running():
                    crowded.append(timed(reader.start_page)())
    quiet, busy = percentile(idle, 0.95), percentile(crowded, 0.95)
    yield Measurement(
        "start page (p95) while four start mailboxes",
        milliseconds(busy),
        f"{milliseconds(quiet)} (p95), idle",
        f"{busy / quiet:.2f}",
        "at most 3 x, or idle + 25 ms",
        at_most(busy, max(3 * quiet, quiet + _CROWD_PLUS_SECONDS)),
    )


def one_log_in(desk: Desk, server: Server, author: DeskAuthor | None = None) -> Timed:
    """Return an action that logs in to a mailbox with ten new answers, and returns the seconds."""
    with Source(server.host, server.port) as source:
        kept = source.open_mailbox()
        source.submit(TEXT)
    fill.add_replies(desk, kept, 10, author)

    def come_back() -> float:
        with Source(server.host, server.port) as source:
            form = source.log_in_form()
            return timed(lambda: source.log_in_with(form, kept))()

    return come_back


def posting_clients(servers: Sequence[Server]) -> list["PostingClient"]:
    """Return eight clients that post, each in a mailbox of its own, on the servers in turn."""
    return [PostingClient(session) for _, session in _open_mailboxes(servers)]


def one_post(source: Source) -> Timed:
    """Return an action that posts 1 KiB and returns the seconds of the post, without the form before it."""

    def post() -> float:
        form = source.write_form()
        return timed(lambda: source.post_message(form, TEXT))()

    return post


@dataclass(frozen=True, slots=True)
class InsertingClient:
    """Client that inserts rows into the baseline server."""

    baseline: Baseline

    def __call__(self) -> Callable[[], bool]:
        """Return the action that this client repeats."""
        return baseline.insert_action(self.baseline, TEXT)


@dataclass(frozen=True, slots=True)
class PostingClient:
    """Client that fetches the page of a new message and posts the message, again and again."""

    session: SavedSession

    def __call__(self) -> Callable[[], bool]:
        """Return the action that this client repeats."""
        source = self.session.source()

        def post() -> bool:
            form = source.write_form()
            return source.post_message(form, TEXT).endswith("/" + form.hidden["entry_id"])

        return post


@dataclass(frozen=True, slots=True)
class SubmittingClient:
    """Client that sends whole submissions, with a text that only this client sends."""

    session: SavedSession
    canary: str

    def __call__(self) -> Callable[[], bool]:
        """Return the action that this client repeats."""
        return partial(self.session.source().submit, (self.canary + " ").ljust(1024, "x"))


@dataclass(frozen=True, slots=True)
class OpeningClient:
    """Client that starts one mailbox after another."""

    host: str
    port: int

    def __call__(self) -> Callable[[], bool]:
        """Return the action that this client repeats."""

        def start() -> bool:
            with Source(self.host, self.port) as source:
                return bool(source.open_mailbox())

        return start


def _one_argon2id(setup: BenchSetup) -> Callable[[], object]:
    argon2 = fill.read_letterhead(setup.servers.desk)
    return lambda: passphrase.derive_root_key("a b c d e f g", argon2.site_salt, argon2.argon2.params)


def _beside_argon2id(
    what: str, own: float, argon2: float, plus_seconds: float = _PLUS_SECONDS
) -> Measurement:
    limit = 1.3 * argon2 + plus_seconds
    return Measurement(
        what,
        milliseconds(own),
        f"{milliseconds(argon2)}, Argon2id alone",
        f"{own / argon2:.2f}",
        f"at most 1.3 x + {milliseconds(plus_seconds)} = {milliseconds(limit)}",
        at_most(own, limit),
    )


def _open_mailboxes(servers: Sequence[Server]) -> list[tuple[str, SavedSession]]:
    """Start a mailbox for each client, on the servers in turn. Return the passphrases and the sessions."""
    opened = []
    for server in islice(cycle(servers), CLIENTS):
        with Source(server.host, server.port) as source:
            opened.append((source.open_mailbox(), source.save_session()))
    return opened


def _found(client: SubmittingClient, canaries: list[str]) -> int:
    with client.session.source() as source:
        text = source.mailbox()
    if any(canary + " " in text for canary in canaries if canary != client.canary):
        raise ValueError("a mailbox shows the text of another")
    return text.count(client.canary + " ")
