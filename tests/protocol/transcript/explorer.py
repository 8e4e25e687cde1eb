"""Explorer of transcripts: every order of a few actions of a source, two workstations and a hostile operator.

The actions call the real functions of `protocol`. After each action, promises of docs/protocol.md are checked
against what really happened: what each page showed, and in which order the source acted. The search is
breadth-first, so a broken promise is reported with one of its shortest traces.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import ClassVar, Final, NamedTuple

from nacl.signing import SigningKey

from protocol.content import Content, Kind, StepName, StepNote, Verdict, proposal_digest
from protocol.entry import EntryContent, SignedEntry, sign_entry
from protocol.envelope import Author, EntryClass, Envelope
from protocol.heads import Head, Heads
from protocol.identifiers import SOURCE_STRAND, Digest, EntryId, StrandId
from protocol.strand import DeskWriter, EntryWriter, SourceWriter, StrandKey
from protocol.transcript import check, closing, ending, proposal_states, thread_state, waiting
from protocol.transcript.check import FaultKind, Transcript, head_of
from protocol.transcript.proposal_states import ProposalState, ProposalStatus
from protocol.transcript.thread_state import ThreadState
from tests.protocol.mailbox_factories import (
    CLOSING,
    DAY,
    DUE,
    LAPTOP,
    MESSAGE,
    TO_SG,
    WORKSTATION,
    a_mailbox,
    an_answer,
    the_strands,
)

KEYS: Final = a_mailbox()
SOURCE: Final = SourceWriter(KEYS)
RETIRED: Final = DeskWriter(StrandId(b"strand-r"), b"r" * 32)
RETIRED_DAY: Final = DAY - timedelta(days=30)
STRANDS: Final = {
    **the_strands(),
    RETIRED.strand: StrandKey(bytes(SigningKey(RETIRED.seed).verify_key), RETIRED_DAY, RETIRED_DAY),
}
DESK: Final = {"A": WORKSTATION, "B": LAPTOP}
LATER: Final = date(2026, 3, 30)
OK, FLIPPED, GONE = "ok", "flipped", "gone"  # condition of the header of one row
_NOTHING: Final = frozenset[Digest]()
_CLASSES: Final = {
    "receipt": EntryClass.RECEIPT,
    "invented": EntryClass.RECEIPT,
    "removal": EntryClass.REMOVAL,
    "end": EntryClass.END,
}
_VERDICTS: Final = {"agreed": Verdict.AGREED, "against": Verdict.TAKEN_BACK}
_STEPS: Final = {
    "passing_on": StepName.PASSING_ON, "made": StepName.PASSED_ON, "dated back": StepName.PASSING_ON
}  # fmt: skip
_CLOSED_TO_ANSWERS: Final = {ProposalStatus.PASSING_ON, ProposalStatus.PASSED_ON, ProposalStatus.OBSOLETE}
_HARMLESS: Final = set(map(FaultKind, ("side_by_side", "missing", "dated_back", "retired_fork")))

Rows = frozenset[tuple[Digest, str]]


class Made(NamedTuple):
    """One entry with its content, the action that wrote it, and the proposal that it is about."""

    entry: SignedEntry
    content: Content | None
    action: str
    about: Digest | None = None


class Page(NamedTuple):
    """The page of the mailbox that the source has open: its heads, and the entries that it showed."""

    heads: Heads
    unseen: Heads
    shown: frozenset[Digest]


class ExploredState(NamedTuple):
    """One state of the search: what the server, the workstations and the source have.

    For each signed entry, `truth` has the entries that the page or the app had shown when it was signed.
    """

    server: Rows = frozenset()
    hidden: frozenset[Digest] = _NOTHING
    a: Rows = frozenset()
    b: Rows = frozenset()
    remembered_a: Heads = ()
    remembered_b: Heads = ()
    page: Page | None = None
    order: tuple[Digest, ...] = ()  # the source's entries, as they acted
    truth: frozenset[tuple[Digest, frozenset[Digest]]] = frozenset()
    operator: tuple[int, int, int, int] = (0, 0, 0, 0)  # rows hidden, flipped, restored, repeated
    repeated: frozenset[Digest] = _NOTHING
    unconfirmed: frozenset[tuple[str, Digest]] = frozenset()  # steps that a workstation wrote
    overtaken: frozenset[Digest] = _NOTHING  # steps that came to the server after the source had withdrawn
    broken: str = ""


@dataclass(frozen=True)
class Limits:
    """Number of times that each action may occur in one exploration."""

    message: int = 0  # of the source
    removal: int = 0
    end: int = 0
    agreed: int = 0
    against: int = 0
    receipt: int = 0
    words: tuple[int, int] = (0, 0)  # of the workstations A and B
    read: tuple[int, int] = (0, 0)
    closing: tuple[int, int] = (0, 0)
    proposal: tuple[int, int] = (0, 0)
    passing_on: tuple[int, int] = (0, 0)
    made: tuple[int, int] = (0, 0)
    again: int = 0  # the source sends a form again whose message is hidden
    hide: int = 0
    flip: int = 0
    restore: int = 0
    repeat: int = 0
    dated_back: int = 0  # the operator has the key of a retired workstation
    invented: int = 0  # with this key, the operator names 40 entries of the source that never existed
    rival: int = 0  # or signs a second entry with the number of a real one
    is_proposed: bool = False  # the desk's proposal is there from the start, on all machines
    keeps_pages: bool = True  # the source can write from a page that they opened earlier
    undoes: bool = True  # the operator can undo everything
    is_one_machine: bool = False  # workstation A works directly on the server's store
    breaks_off: bool = False  # the answer to a sync can break off


@dataclass
class Explorer:
    """Search over all orders of the actions within some limits."""

    limits: Limits
    heals: bool = False  # also check that every mailbox can be healed, from every state
    made: dict[Digest, Made] = field(default_factory=dict)
    length: int = 0  # after `run`: every order of so many actions was checked
    keeps_unreadable: ClassVar[bool] = False  # a fault that a test plants in the sync

    def __post_init__(self) -> None:
        self._transcript = lru_cache(maxsize=50_000)(self._read)
        self._state = lru_cache(maxsize=50_000)(self._compute_state)

    # ---- search

    def run(self, depth: int, states: int = 1_000_000) -> tuple[str, tuple[str, ...], int]:
        """Return the first broken promise (or ""), its trace, and the number of states."""
        self.length = depth
        start = self._start()
        todo: deque[tuple[ExploredState, tuple[str, ...]]] = deque([(start, ())])
        known = {start}
        while todo and len(known) < states:
            world, trace = todo.popleft()
            broken = world.broken or self._broken(world)
            if broken:
                return broken, trace, len(known)
            if len(trace) < depth:
                for label, after in self._moves(world):
                    if after not in known:
                        known.add(after)
                        todo.append((after, (*trace, label)))
        if todo:  # so many states are the limit: those that are left were not checked
            self.length = len(todo[0][1]) - 1
        return "", (), len(known)

    def _start(self) -> ExploredState:
        made = [self._sign(WORKSTATION, "proposal", (), ())] if self.limits.is_proposed else []
        made += [self._sign(RETIRED, "words", (), ())] if self.limits.rival else []
        rows = frozenset((each.digest, OK) for each in made)
        truth = frozenset((each.digest, _NOTHING) for each in made)
        return ExploredState(server=rows, a=rows, b=rows, truth=truth)

    # ---- entries

    def _sign(
        self,
        by: EntryWriter,
        action: str,
        heads: Heads,
        unseen: Heads,
        *,
        removes: tuple[Digest, ...] = (),
        due: date | None = None,
        form_number: int = 0,
        about: Digest | None = None,
        entry_id: EntryId | None = None,
    ) -> SignedEntry:
        content = self._content(action, about)
        form = repr((by.strand, action, heads, unseen, removes, form_number, about)).encode()
        entry_id = entry_id or EntryId(sha256(form).digest()[:16])
        payload = None if content is None else action.encode() + entry_id + bytes([form_number])
        envelope = Envelope(
            address=KEYS.address,
            entry_id=entry_id,
            entry_class=_CLASSES.get(action, EntryClass.WORDS),
            strand=by.strand,
            heads=heads,
            unseen=unseen,
            day=RETIRED_DAY if by is RETIRED else DAY,
            letterhead_serial=1,
            due=due,
            removes=removes,
            payload_sha256=b"" if payload is None else sha256(payload).digest(),
            commit=b"" if payload is None else bytes(32),
        )
        header = None if payload is None else b"header"
        entry = _signed(envelope, by, header, payload)
        self.made.setdefault(entry.digest, Made(entry, content, action, about))
        return entry

    def _content(self, action: str, about: Digest | None) -> Content | None:
        if about is not None:
            proposed = self.made[about]
            assert proposed.content is not None
            entry_id = proposed.entry.envelope.entry_id
            named = proposal_digest(proposed.content, address=KEYS.address, entry_id=entry_id)
            if action in _VERDICTS:
                return an_answer(_VERDICTS[action], named)
            return Content(
                kind=Kind.STEP, text="", step=StepNote(step=_STEPS[action], to="SG", proposal=named)
            )
        if action == "proposal":
            return Content(kind=Kind.PROPOSAL, text="", proposal=TO_SG)
        return None if action in _CLASSES else CLOSING if action == "closing" else MESSAGE

    # ---- what each side reads

    def _read(self, rows: Rows, remembered: Heads, repeated: frozenset[Digest]) -> Transcript:
        entries = [
            self.made[digest].entry
            if condition != GONE
            else replace(self.made[digest].entry, header=None, payload=None)
            for digest, condition in sorted(rows)
        ]
        again = [self.made[digest].entry for digest, _ in sorted(rows) if digest in repeated]
        return check.read_transcript(
            KEYS.address, KEYS.verify_key, STRANDS, [*entries, *again], remembered, verified=self.made
        )

    def _opened(self, rows: Rows, transcript: Transcript) -> list[EntryContent]:
        conditions = dict(rows)
        return [
            (
                entry,
                self.made[entry.digest].content
                if conditions[entry.digest] == OK and entry.header is not None
                else None,
            )
            for entry in transcript.entries
        ]

    def _shown(self, rows: Rows, transcript: Transcript) -> frozenset[Digest]:
        opened = self._opened(rows, transcript)
        return frozenset(
            entry.digest
            for entry, content in opened
            if content is not None or not entry.envelope.is_words or entry.digest in transcript.removed
        )

    def _compute_state(self, rows: Rows, remembered: Heads) -> ThreadState:
        transcript = self._transcript(rows, remembered, _NOTHING)
        return thread_state.thread_state(KEYS.address, transcript, self._opened(rows, transcript))

    def _visible(self, world: ExploredState) -> Rows:
        return frozenset(row for row in world.server if row[0] not in world.hidden)

    def _replica(self, world: ExploredState, name: str) -> tuple[Rows, Heads]:
        if name == "A" and self.limits.is_one_machine:
            return self._visible(world), world.remembered_a
        return (world.a, world.remembered_a) if name == "A" else (world.b, world.remembered_b)

    def _all(self, world: ExploredState) -> Rows:
        """Return every entry that was ever written, without the operator's damage.

        Removed ones have no header.
        """
        digests = {digest for digest, _ in world.server | world.a | world.b}
        removed = {gone for digest in digests for gone in self.made[digest].entry.envelope.removes}
        return frozenset((digest, GONE if digest in removed else OK) for digest in digests)

    # ---- actions

    def _moves(self, world: ExploredState) -> Iterator[tuple[str, ExploredState]]:
        digests = {digest for digest, _ in world.server | world.a | world.b}
        done = [(self.made[digest].action, self.made[digest].entry.envelope.strand) for digest in digests]
        yield from self._source(world, lambda action: done.count((action, SOURCE_STRAND)))
        for name, writer in DESK.items():
            yield from self._desk(world, name, lambda action, w=writer: done.count((action, w.strand)))  # type: ignore[misc]
        yield from self._operator(world)

    def _source(
        self, world: ExploredState, count: Callable[[str], int]
    ) -> Iterator[tuple[str, ExploredState]]:
        limits = self.limits
        rows = self._visible(world)
        now = self._transcript(rows, (), world.repeated)
        if ending.end_of(now) is not None:
            return
        shown = self._shown(rows, now)
        page = Page(*now.heads_for(SOURCE_STRAND, shown), shown)
        if self.limits.keeps_pages and page != world.page:
            yield "the source opens the page", world._replace(page=page)
        if count("receipt") < limits.receipt and any(strand for strand, *_ in page.heads):
            receipt = self._sign(SOURCE, "receipt", page.heads, page.unseen)
            yield "the source reads in another tab", self._posted(world, receipt, shown)
        form = world.page or page
        newer = [
            entry
            for entry in now.authentic.values()
            if not entry.envelope.strand and _is_newer(entry, form.heads)
        ]
        heads = check.heads_after(form.heads, newer)
        for action in ("message", "end"):
            if count(action) < getattr(limits, action):
                made = self._sign(SOURCE, action, heads, form.unseen, form_number=len(world.order))
                yield f"the source writes: {action}", self._posted(world, made, form.shown)
        yield from self._messages_again(world, form, heads)
        yield from self._answers(world, form, heads, rows, count)
        if count("removal") < limits.removal:
            yield from self._removals(world, form, heads, now)

    def _messages_again(
        self, world: ExploredState, form: Page, heads: Heads
    ) -> Iterator[tuple[str, ExploredState]]:
        """Send the form of a hidden message again, with the same entry id."""
        ids = [self.made[digest].entry.envelope.entry_id for digest in world.order]
        for digest in world.order:
            made = self.made[digest]
            entry_id = made.entry.envelope.entry_id
            is_hidden_message = made.action == "message" and digest in world.hidden
            if (
                is_hidden_message
                and ids.count(entry_id) == 1
                and len(ids) - len(set(ids)) < self.limits.again
            ):
                again = self._sign(
                    SOURCE, "message", heads, form.unseen, form_number=len(world.order), entry_id=entry_id
                )
                yield f"the source sends {self._name(digest)} again", self._posted(world, again, form.shown)

    def _answers(
        self, world: ExploredState, form: Page, heads: Heads, rows: Rows, count: Callable[[str], int]
    ) -> Iterator[tuple[str, ExploredState]]:
        """Answer a proposal that a page shows, unless the server has the step or a newer proposal."""
        if world.page is None or not any(self.made[digest].action == "proposal" for digest in form.shown):
            return
        for proposed in self._state(rows, ()).proposals:
            about = proposed.signed.digest
            if about not in form.shown or proposed.state in _CLOSED_TO_ANSWERS:
                continue
            for action in _VERDICTS:
                if count(action) < getattr(self.limits, action):
                    number = len(world.order)
                    made = self._sign(SOURCE, action, heads, form.unseen, form_number=number, about=about)
                    label = f"the source answers {self._name(about)}: {action}"
                    yield label, self._posted(world, made, form.shown)

    def _removals(
        self, world: ExploredState, form: Page, heads: Heads, now: Transcript
    ) -> Iterator[tuple[str, ExploredState]]:
        for entry in now.entries:
            if entry.envelope.is_words and entry.digest not in now.removed and entry.header is not None:
                made = self._sign(SOURCE, "removal", heads, form.unseen, removes=(entry.digest,))
                after = self._posted(world, made, form.shown)
                label = f"the source removes {self._name(entry.digest)}"
                yield label, after._replace(server=_destroyed(after.server, [entry.digest]))

    def _posted(self, world: ExploredState, made: SignedEntry, shown: frozenset[Digest]) -> ExploredState:
        return world._replace(
            server=world.server | {(made.digest, OK)},
            order=(*world.order, made.digest),
            truth=world.truth | {(made.digest, shown)},
        )

    def _desk(
        self, world: ExploredState, name: str, count: Callable[[str], int]
    ) -> Iterator[tuple[str, ExploredState]]:
        limits, at = self.limits, 0 if name == "A" else 1
        synced = self.sync(world, name)
        if synced != world:
            yield f"{name} syncs", synced
        if limits.breaks_off and (sent := self.sync(world, name, has_answer=False)) != world:
            yield f"{name} syncs, and the answer breaks off", sent
        rows, remembered = self._replica(world, name)
        now = self._transcript(
            rows, remembered, world.repeated if rows is not world.a and not at else _NOTHING
        )
        if not all(fault.allows_answers for fault in now.faults) or ending.end_of(now) is not None:
            return
        shown = self._shown(rows, now)
        heads, unseen = now.heads_for(DESK[name].strand, shown, remembered)

        def writes(
            action: str, due: date | None = None, about: Digest | None = None, broken: str = ""
        ) -> ExploredState:
            number = len(world.truth)
            made = self._sign(DESK[name], action, heads, unseen, due=due, form_number=number, about=about)
            return self._written(world, name, made, shown, broken)

        if count("words") < limits.words[at]:
            yield f"{name} writes", writes("words")
        if count("receipt") < limits.read[at] and heads:
            yield f"{name} reads", writes("receipt")
        if count("closing") < limits.closing[at] and rows:
            yield f"{name} closes", writes("closing", LATER if at else DUE)
        if count("proposal") < limits.proposal[at]:
            yield f"{name} proposes", writes("proposal")
        yield from self._passes_on(world, name, count, writes)

    def _passes_on(
        self,
        world: ExploredState,
        name: str,
        count: Callable[[str], int],
        writes: Callable[..., ExploredState],
    ) -> Iterator[tuple[str, ExploredState]]:
        """Begin to pass on what was agreed to, and make its file when the server has confirmed the step."""
        limits, at = self.limits, 0 if name == "A" else 1
        rows, remembered = self._replica(world, name)
        now = self._transcript(rows, remembered, _NOTHING)
        for proposed in self._state(rows, remembered).proposals:
            about = proposed.signed.digest
            if count("passing_on") < limits.passing_on[at] and proposed.state is ProposalStatus.AGREED:
                broken = self._begun_against(world, rows, now, about)
                yield f"{name} begins to pass on", writes("passing_on", about=about, broken=broken)
            is_ready = proposed.state is ProposalStatus.PASSING_ON and self._is_confirmed(
                world, name, proposed
            )
            if count("made") < limits.made[at] and is_ready:
                broken = self._made_against(world, rows, now, proposed)
                yield f"{name} makes the file", writes("made", about=about, broken=broken)

    def _is_confirmed(self, world: ExploredState, name: str, proposed: ProposalState) -> bool:
        """Return True if a workstation knows that the server has each step about a proposal that counts."""
        steps = {step for by, step in world.unconfirmed if by == name} - proposed.void
        return all(self.made[step].about != proposed.signed.digest for step in steps)

    def _written(
        self, world: ExploredState, name: str, made: SignedEntry, shown: frozenset[Digest], broken: str
    ) -> ExploredState:
        row = (made.digest, OK)
        after = world._replace(truth=world.truth | {(made.digest, shown)}, broken=broken)
        if name == "A" and self.limits.is_one_machine:
            after = after._replace(server=world.server | {row})
        else:
            after = after._replace(a=world.a | {row}) if name == "A" else after._replace(b=world.b | {row})
            if self.made[made.digest].action == "passing_on":
                after = after._replace(unconfirmed=world.unconfirmed | {(name, made.digest)})
        return self._remember(after, name)

    def _remember(self, world: ExploredState, name: str) -> ExploredState:
        rows, remembered = self._replica(world, name)
        transcript = self._transcript(rows, remembered, _NOTHING)
        if any(fault.kind is FaultKind.ROLLED_BACK for fault in transcript.faults):
            return world
        if name == "A":
            return world._replace(remembered_a=transcript.heads)
        return world._replace(remembered_b=transcript.heads)

    def sync(self, world: ExploredState, name: str, *, has_answer: bool = True) -> ExploredState:
        """Exchange entries between a workstation and the server, and repair what either of them has lost."""
        if name == "A" and self.limits.is_one_machine:
            return self._remember(world, name)
        mine = dict(world.a if name == "A" else world.b)
        server = dict(world.server)
        for digest, condition in mine.items():
            server.setdefault(digest, condition)  # also what the server lost and this workstation has
        for digest, condition in server.items():
            if digest in world.hidden:
                continue
            known = mine.setdefault(digest, condition)
            if known == FLIPPED and condition == OK and not self.keeps_unreadable:
                mine[digest] = OK
        seen = [self.made[digest].entry.envelope for digest in server if digest not in world.hidden]
        removed = [digest for envelope in seen for digest in envelope.removes]
        after = world._replace(server=_destroyed(frozenset(server.items()), removed))
        after = after._replace(overtaken=world.overtaken | self._overtaken(world, after))
        if not has_answer:
            return after
        unconfirmed = frozenset((by, step) for by, step in world.unconfirmed if by != name)
        after = after._replace(unconfirmed=unconfirmed)
        replica = _destroyed(frozenset(mine.items()), removed)
        return self._remember(after._replace(a=replica) if name == "A" else after._replace(b=replica), name)

    def _overtaken(self, world: ExploredState, after: ExploredState) -> set[Digest]:
        """Return the steps that now come to the server, although the source has withdrawn, in truth."""
        known = {digest for digest, _ in world.server}
        new = {digest for digest, _ in after.server} - known
        steps = {digest for digest in new if self.made[digest].action == "passing_on"}
        if not steps:
            return steps
        full = self._transcript(self._all(after), (), _NOTHING)
        return {step for step in steps if self._withdrawals(world, full, step)}

    def _operator(self, world: ExploredState) -> Iterator[tuple[str, ExploredState]]:
        hidden, flipped, restored, repeated = world.operator
        limits = self.limits
        for digest, condition in sorted(self._visible(world)):
            made = self.made[digest]
            if hidden < limits.hide:
                yield (
                    f"the operator hides {self._name(digest)}",
                    world._replace(
                        hidden=world.hidden | {digest}, operator=(hidden + 1, flipped, restored, repeated)
                    ),
                )
            if flipped < limits.flip and made.content is not None and condition == OK:
                yield (
                    f"the operator flips a byte of {self._name(digest)}",
                    world._replace(
                        server=world.server - {(digest, OK)} | {(digest, FLIPPED)},
                        operator=(hidden, flipped + 1, restored, repeated),
                    ),
                )
            if restored < limits.restore and made.action == "removal":
                back = made.entry.envelope.removes[0]
                yield (
                    f"the operator restores {self._name(back)} and hides its removal",
                    world._replace(
                        server=world.server - {(back, GONE)} | {(back, OK)},
                        hidden=world.hidden | {digest},
                        operator=(hidden, flipped, restored + 1, repeated),
                    ),
                )
            if repeated < limits.repeat:
                yield (
                    f"the operator repeats {self._name(digest)}",
                    world._replace(
                        repeated=world.repeated | {digest}, operator=(hidden, flipped, restored, repeated + 1)
                    ),
                )
        if len(self._forged(world.server, "dated back")) < limits.dated_back:
            yield from self._dates_back(world)
        yield from self._adds_for_the_retired(world)
        is_spoilt = any(condition == FLIPPED for _, condition in world.server)
        if limits.undoes and (world.hidden or world.repeated or is_spoilt):
            yield "the operator undoes everything", self._undone(world)

    def _dates_back(self, world: ExploredState) -> Iterator[tuple[str, ExploredState]]:
        """Sign words or a step with the key of a retired workstation, for a day before it was retired."""
        rows = self._visible(world)
        now = self._transcript(rows, (), _NOTHING)
        heads, unseen = now.heads_for(RETIRED.strand, now.authentic.keys())
        proposed = [digest for digest, _ in sorted(rows) if self.made[digest].action == "proposal"]
        for about in (None, *proposed) if heads else ():
            made = self._sign(RETIRED, "dated back", heads, unseen, about=about)
            label = f"the operator dates back {'words' if about is None else 'a step'}"
            truth = world.truth | {(made.digest, _NOTHING)}
            yield label, world._replace(server=world.server | {(made.digest, OK)}, truth=truth)

    def _adds_for_the_retired(self, world: ExploredState) -> Iterator[tuple[str, ExploredState]]:
        """Sign entries of a retired workstation that name nothing later than its last day."""
        number = len(self._forged(world.server, "invented"))
        added = []
        if number < self.limits.invented:
            names = [sha256(bytes([number, at])).digest() for at in range(40)]
            unseen = tuple(sorted(Head(SOURCE_STRAND, 7, Digest(name)) for name in names))
            own = self._transcript(world.server, (), _NOTHING).heads_for(RETIRED.strand, ())[0]
            added.append(self._sign(RETIRED, "invented", own, unseen))
        if len(self._forged(world.server, "rival")) < self.limits.rival:
            added.append(self._sign(RETIRED, "rival", (), ()))
        for made in added:
            truth = world.truth | {(made.digest, _NOTHING)}
            label = f"the operator adds {self._name(made.digest)}"
            yield label, world._replace(server=world.server | {(made.digest, OK)}, truth=truth)

    def _forged(self, rows: Rows, action: str) -> set[Digest]:
        return {digest for digest, _ in rows if self.made[digest].action == action}

    def _of_the_retired(self, rows: Rows) -> set[Digest]:
        return {digest for digest, _ in rows if self.made[digest].entry.envelope.strand == RETIRED.strand}

    def _undone(self, world: ExploredState) -> ExploredState:
        return world._replace(
            server=frozenset((digest, OK if how == FLIPPED else how) for digest, how in world.server),
            hidden=_NOTHING,
            repeated=_NOTHING,
        )

    def _name(self, digest: Digest) -> str:
        made = self.made[digest]
        return (
            f"{made.action} {made.entry.envelope.number} of {made.entry.envelope.strand.decode() or 'source'}"
        )

    # ---- promises

    def _broken(self, world: ExploredState) -> str:
        whole = self._all(world)
        full = self._transcript(whole, (), _NOTHING)
        promises = (
            self._no_lasting_fault(world, full),
            self._deletion(world),
            self._removal(world),
            self._consent(world, whole, full),
            self._agreement(world, whole),
            self._waiting(world, full),
            self._end(world),
            self._healing(world, lost=_NOTHING) if self.heals else "",
            self._healing(world, lost=world.hidden) if self.heals and world.hidden else "",
        )
        return next(filter(None, promises), "")

    def _no_lasting_fault(self, world: ExploredState, full: Transcript) -> str:
        kinds = {fault.kind for fault in full.faults}
        forged = self._forged(self._all(world), "dated back")
        gone = {digest for digest, _ in self._all(world)} - full.authentic.keys()
        rivals = self._forged(self._all(world), "rival")
        unknown = self._of_the_retired(self._all(world)).difference(*(shown for _, shown in world.truth))
        if rivals & unknown - gone:
            return f"{self._name(min(rivals))} counts, although no one was shown it"
        if rivals:
            gone -= unknown  # no one can tell which of the two is real
        if gone - forged:
            return f"{self._name(min(gone))} does not count"
        if forged - gone:
            return f"{self._name(min(forged))} counts, although its writer was retired before"
        if kinds - _HARMLESS:
            return f"the whole mailbox has the faults {sorted(kinds)}"
        is_forged = any(
            self.made[each].action in {"dated back", "invented", "rival"} for each, _ in self._all(world)
        )
        if kinds and not any(world.operator) and not is_forged:
            return f"without a hostile operator, the mailbox has the faults {sorted(kinds)}"
        return ""

    def _deletion(self, world: ExploredState) -> str:
        visible = self._visible(world)
        bare = frozenset((digest, OK) for digest, _ in visible)
        transcript = self._transcript(bare, (), world.repeated)
        if not closing.may_delete(transcript, STRANDS, LATER):
            return ""
        truth = dict(world.truth)
        known = {
            shown
            for digest, _ in world.server | world.a | world.b
            for shown in truth[digest]
            if self.made[digest].entry.envelope.author is Author.DESK and self.made[digest].content
        }
        naming = [self.made[digest].entry.envelope for digest, _ in visible]
        named = {head.digest for envelope in naming for head in (*envelope.heads, *envelope.unseen)}
        spared = {head.digest for envelope in naming if envelope.due for head in envelope.unseen}
        for digest, condition in world.server:
            made = self.made[digest]
            if made.content is None or digest in known or condition == GONE:
                continue
            if digest in self._of_the_retired(world.server) - transcript.authentic.keys():
                continue
            if made.entry.envelope.author is Author.DESK:
                if digest not in world.hidden and not self._is_closed_by_its_writer(world, made.entry):
                    return f"deleted with {self._name(digest)}, which no one who closed was shown"
                continue
            if digest not in world.hidden:
                return f"deleted with {self._name(digest)}, which no one of the desk was shown"
            if digest in named - spared:
                return f"deleted although an entry names {self._name(digest)}, which the operator hid"
        promised = [entry.envelope.due for entry in closing.last_words(transcript)]
        if closing.may_delete(transcript, STRANDS, DUE) and LATER in promised:
            return "deleted on the earlier of two days that the desk promised"
        return ""

    def _is_closed_by_its_writer(self, world: ExploredState, entry: SignedEntry) -> bool:
        return entry.envelope.due is not None or any(
            other.envelope.due and head_of(other)[:2] > head_of(entry)[:2]
            for other in (self.made[digest].entry for digest, _ in world.server)
            if other.envelope.strand == entry.envelope.strand
        )

    def _removal(self, world: ExploredState) -> str:
        views = [self._visible(world), *(self._replica(world, name)[0] for name in DESK)]
        for rows in views:
            transcript = self._transcript(rows, (), _NOTHING)
            removed = {gone for digest, _ in rows for gone in self.made[digest].entry.envelope.removes}
            for entry, content in self._opened(rows, transcript):
                if entry.digest in removed and content is not None:
                    return f"{self._name(entry.digest)} is shown beside its removal"
        return ""

    def _consent(self, world: ExploredState, whole: Rows, full: Transcript) -> str:
        """Check that a withdrawal is too late exactly if the source had been shown the step."""
        truth = dict(world.truth)
        opened = self._opened(whole, full)
        states = proposal_states.proposal_states(KEYS.address, full, opened)
        void = proposal_states.void_steps(full, opened, states)
        for digest, _ in whole:
            if self.made[digest].action != "passing_on":
                continue
            agreed = self._agreements(world, full, digest)
            pages = [truth[each] for each in self._withdrawals(world, full, digest)]
            in_time = [shown for shown in pages if digest not in shown]
            if in_time and digest not in void and digest not in full.removed:
                return "the source was not shown the step, and their withdrawal counts as too late"
            beside = self._beside(world, full, digest)
            crossed = full.knowledge.unknown_to_all(world.order, [digest])
            is_unclear = not full.removed.keys().isdisjoint(crossed)  # no one can read these words any more
            if agreed and digest in void and not is_unclear and all(digest in truth[each] for each in beside):
                return "the source was shown the step, and their withdrawal makes it void"
            about = self.made[digest].about
            begun = [each for each, _ in whole if self.made[each][2:] == ("passing_on", about)]
            if full.removed.keys() >= set(begun) and any(
                each.state is ProposalStatus.PASSING_ON and each.signed.digest == about
                for each in self._state(whole, ()).proposals
            ):
                return "a step that was removed still counts"
        return ""

    def _agreement(self, world: ExploredState, whole: Rows) -> str:
        """Check that an agreement counts until the source really says or removes something."""
        actions = {self.made[digest].action for digest in world.order}
        states = {proposed.state for proposed in self._state(whole, ()).proposals}
        if ProposalStatus.TAKEN_BACK in states and not actions & {"against", "removal"}:
            return "the source agreed and withdrew nothing, and the agreement counts as taken back"
        return ""

    def _agreements(self, world: ExploredState, full: Transcript, step: Digest) -> list[int]:
        """Return the places, in the source's order, of the agreements on which a step builds."""
        about = self.made[step].about
        known = full.knowledge.known_to([step])
        return [
            at
            for at, digest in enumerate(world.order)
            if self.made[digest].action == "agreed" and self.made[digest].about == about and digest in known
        ]

    def _withdrawals(self, world: ExploredState, full: Transcript, step: Digest) -> list[Digest]:
        """Return the entries that really withdraw the last agreement on which a step builds."""
        agreed = self._agreements(world, full, step)
        return self._withdrawn_after(world, max(agreed, default=-1), self.made[step].about)

    def _withdrawn_after(self, world: ExploredState, agreed: int, about: Digest | None) -> list[Digest]:
        if agreed < 0:
            return []
        later = world.order[agreed:]
        named = {about, *(each for each in later if self.made[each].content is not None)}
        return [
            digest
            for digest in later[1:]
            if (self.made[digest].action, self.made[digest].about) == ("against", about)
            or named.intersection(self.made[digest].entry.envelope.removes)
        ]

    def _beside(self, world: ExploredState, full: Transcript, step: Digest) -> list[Digest]:
        """Return the entries that may withdraw an agreement, because the writer of the agreement did not
        know them.
        """
        agreed = [world.order[at] for at in self._agreements(world, full, step)]
        return [
            digest
            for digest in world.order
            if self.made[digest].action in {"against", "removal"}
            and self.made[digest].about in {self.made[step].about, None}
            and not all(digest in full.knowledge.known_to([each]) for each in agreed)
        ]

    def _begun_against(self, world: ExploredState, rows: Rows, now: Transcript, about: Digest) -> str:
        """Return why the desk must not begin to pass on, if it can see a withdrawal or a newer proposal."""
        evident = {digest for digest, _ in rows} | now.knowledge.named.keys()
        agreed = [
            at
            for at, digest in enumerate(world.order)
            if (self.made[digest].action, self.made[digest].about) == ("agreed", about) and digest in evident
        ]
        if evident.intersection(self._withdrawn_after(world, max(agreed, default=-1), about)):
            return "passing on begins although the desk can see that the source withdrew"
        shown = dict(world.truth)
        if any(
            made.action == "proposal" and about in shown[digest] and condition == OK
            for digest, condition, made in ((digest, how, self.made[digest]) for digest, how in rows)
        ):
            return "passing on begins although the desk proposed something else since"
        return ""

    def _made_against(
        self, world: ExploredState, rows: Rows, now: Transcript, proposed: ProposalState
    ) -> str:
        """Return what is wrong if the file is made, in truth: the source withdrew, or can still withdraw."""
        about, truth = proposed.signed.digest, dict(world.truth)
        here = {digest for digest, _ in rows}
        on_server = {digest for digest, _ in world.server}
        steps = {
            digest
            for digest in here & on_server
            if (self.made[digest].action, self.made[digest].about) == ("passing_on", about)
        }
        if not steps:
            return "the file is made before the server has the step"
        was_hidden = world.operator[0]  # who hides a withdrawal for long enough can have the file made
        if steps <= world.overtaken and not was_hidden:
            return "the file is made although the source withdrew before the server had the step"
        if all(
            any(
                digest in here and step not in truth[digest] for digest in self._withdrawals(world, now, step)
            )
            for step in steps
        ):
            return "the file is made although the desk can see that the source withdrew"
        return ""

    def _waiting(self, world: ExploredState, full: Transcript) -> str:
        truth = dict(world.truth)
        answered = {
            shown
            for digest, made in ((digest, self.made[digest]) for digest in full.authentic)
            if made.content is not None and made.entry.envelope.author is Author.DESK
            for shown in truth[digest]
        }
        waits = {entry.digest for entry in waiting.waiting_words(full)}
        for digest in world.order:
            made = self.made[digest]
            if made.content is not None and digest not in full.removed and digest not in answered | waits:
                return f"{self._name(digest)} does not wait, and no one who answered was shown it"
        return ""

    def _end(self, world: ExploredState) -> str:
        for rows in (self._visible(world), world.a, world.b):
            ends = [digest for digest, _ in rows if self.made[digest].action == "end"]
            if ends and ending.end_of(self._transcript(rows, (), _NOTHING)) is None:
                return "the source ended the mailbox, and the end does not count"
        return ""

    def _healing(self, world: ExploredState, lost: frozenset[Digest]) -> str:
        """Check that all is well again if the operator's changes, except `lost`, are undone.

        The desk can then read and close the mailbox, and the server can delete it.
        """
        if any(self.made[digest].action == "end" for digest, _ in self._all(world)):
            return ""
        after = self._undone(world)._replace(hidden=lost)
        for _ in range(2):
            for name in DESK:
                after = self.sync(after, name)
            after = after._replace(hidden=lost - {digest for digest, _ in after.a | after.b})
        rows, remembered = self._replica(after, "A")
        now = self._transcript(rows, remembered, _NOTHING)
        if not all(fault.allows_answers for fault in now.faults):
            return f"everything was undone, and the desk cannot write: {sorted(now.faults)}"
        if any(condition == GONE and digest not in now.removed for digest, condition in rows):
            return ""  # a header was destroyed, and the operator lost the removal: no one can undo this
        shown = self._shown(rows, now)
        unread = [each for each in now.entries if each.envelope.is_words and each.digest not in shown]
        if unread:
            return f"everything was undone, and {self._name(unread[0].digest)} does not open for good"
        for _ in range(2):
            rows, remembered = self._replica(after, "A")
            now = self._transcript(rows, remembered, _NOTHING)
            shown = self._shown(rows, now)
            heads, unseen = now.heads_for(WORKSTATION.strand, shown, remembered)
            made = self._sign(WORKSTATION, "closing", heads, unseen, due=LATER)
            after = self.sync(self._written(after, "A", made, shown, ""), "A")
        visible = frozenset((digest, OK) for digest, _ in self._visible(after))
        if not closing.may_delete(self._transcript(visible, (), _NOTHING), STRANDS, LATER):
            return "the desk was shown everything and closed, and the mailbox is not deleted"
        return ""


@lru_cache(maxsize=100_000)
def _signed(envelope: Envelope, by: EntryWriter, header: bytes | None, payload: bytes | None) -> SignedEntry:
    return sign_entry(envelope, by=by, epoch=int(payload is not None), header=header, payload=payload)


def _destroyed(rows: Rows, removed: Iterable[Digest]) -> Rows:
    gone = set(removed)
    return frozenset((digest, GONE if digest in gone else condition) for digest, condition in rows)


def _is_newer(entry: SignedEntry, heads: Heads) -> bool:
    """Return True if the server reads this entry of the source's strand for a form with these heads."""
    own = [head.number for head in heads if head.strand == SOURCE_STRAND]
    return entry.envelope.number >= min(own, default=1)


class Exploration(NamedTuple):
    """Actions to explore, and how many in a row: in the fast tests, and in `make prove`."""

    limits: Limits
    short: int
    long: int
    heals: bool = False


_CONSENT: Final = Limits(is_proposed=True, agreed=1, against=1, passing_on=(1, 0), hide=1, flip=1)
_FILE: Final = replace(_CONSENT, removal=1, made=(1, 1), hide=0, flip=0, breaks_off=True)

SCENARIOS: Final = {
    "source's rows are hidden": Exploration(
        Limits(message=3, hide=1, again=1, words=(1, 0)), 5, 8, heals=True
    ),
    "closings cross": Exploration(
        Limits(message=2, receipt=1, words=(1, 0), closing=(1, 1), hide=1, flip=1), 4, 8, heals=True
    ),
    "answers and a step cross": Exploration(replace(_CONSENT, receipt=1), 6, 11),
    "removals and a step cross": Exploration(replace(_CONSENT, against=0, message=1, removal=1), 5, 10),
    "a file is made on one machine": Exploration(
        replace(_CONSENT, removal=1, made=(1, 0), is_one_machine=True), 6, 11
    ),
    "a file is made on two machines": Exploration(_FILE, 8, 13),
    "two workstations pass on": Exploration(replace(_FILE, passing_on=(1, 1), hide=1), 6, 11),
    "two workstations propose": Exploration(
        replace(_CONSENT, proposal=(1, 1), passing_on=(1, 1), is_proposed=False, flip=0), 6, 10
    ),
    "the source agrees twice": Exploration(
        replace(_CONSENT, agreed=2, passing_on=(2, 0), hide=2, flip=0), 6, 10
    ),
    "removed words are restored": Exploration(
        Limits(message=1, removal=1, restore=1, hide=1, words=(1, 0), read=(0, 1)), 5, 9, heals=True
    ),
    "two workstations answer": Exploration(
        Limits(message=2, words=(1, 1), read=(1, 1), hide=1, flip=1, repeat=1), 4, 7, heals=True
    ),
    "a retired workstation dates back": Exploration(
        replace(_CONSENT, words=(1, 0), receipt=1, flip=0, dated_back=1), 5, 10
    ),
    "a retired workstation names what never existed": Exploration(
        Limits(is_proposed=True, agreed=1, message=1, closing=(1, 0), invented=2), 4, 8, heals=True
    ),
    "an entry of a retired workstation has a rival": Exploration(
        Limits(message=1, receipt=1, words=(1, 0), closing=(1, 0), hide=1, rival=1), 4, 7, heals=True
    ),
    "the source ends": Exploration(
        Limits(message=1, end=1, words=(1, 0), closing=(1, 0), hide=1, repeat=1), 5, 9, heals=True
    ),
}
