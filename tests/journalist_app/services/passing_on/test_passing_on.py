"""The desk passes on exactly what the source agreed to, or the mailbox says why not.

In the real app, the desk exports with gpg and mat2. Here, the fake exporter `Paper` keeps everything that it
gets.
"""

import errno
import hashlib
import io
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import pytest

from crypto.age import PQIdentity
from crypto.errors import ForgedError
from journalist_app.cleaning.copy_sentences import NO_ROOM
from journalist_app.desk.casefile import Casefile, Evidence, EvidenceKind, PassedOn
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation
from journalist_app.errors import (
    FileRefusal,
    MailboxNotFoundError,
    NoSuchProposalError,
    PassOnRefusal,
    SendRefusal,
    SendRefusedError,
    UnsoundMailboxError,
)
from journalist_app.files.file_examiner import CopyForm
from journalist_app.files.metadata import not_examined
from journalist_app.files.metadata_sentences import FAILED, TOO_LARGE
from journalist_app.files.pinned_recipients import RecipientKey
from journalist_app.services import inbox_lists
from journalist_app.services.closing import ended_mailboxes
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.mailbox.steps import EMPTY_STEP_FORM, StepForm
from journalist_app.services.passing_on import (
    make_export,
    pass_on,
    proposal_files,
    proposing,
    usable_recipients,
)
from journalist_app.services.passing_on.pass_on import WithoutConsent
from journalist_app.services.passing_on.proposal_files import UploadedFile
from journalist_app.services.passing_on.proposing import ProposalForm
from journalist_app.services.records import casefiles, consent_evidence, unsent_forms
from journalist_app.services.whole_desk import unlocking
from protocol.content import TEXT_CHARS, AnswerNote, Content, Kind, StepName, Verdict, proposal_digest
from protocol.entry import SignedEntry
from protocol.envelope import EntryClass
from protocol.identifiers import Address, AttachmentId, Digest, EntryId
from protocol.pouch.pouch_file import SERVER
from protocol.strand import SourceWriter
from protocol.transcript.proposal_states import ProposalState, ProposalStatus
from protocol.transcript.thread_state import ThreadStep
from store import attachments, entries, outbox, peers, sync_findings
from store.sync_findings import FindingKind
from stored_mailbox.entry_form import FormContext
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source
from tests.journalist_app.files.sealing import age_file, recipient_of
from tests.journalist_app.opening import heads_on_page, opens
from tests.journalist_app.refusals import refuses
from tests.journalist_app.views.paper import KEY, OTHER_KEY, Paper
from tests.small_disk import CAN_MOUNT, a_small_disk

REASON = "Er is acuut gevaar voor een ander; wij hebben dit eerst met je willen bespreken."
WITHOUT = WithoutConsent(REASON, is_confirmed=True)
HOW = StepForm(text="Op een stick, persoonlijk.")
SOON = TODAY + timedelta(days=3)  # a Thursday, on which the desk works
WORDS = StepForm(text="Lees het rustig.", next="Jij kiest.", by=SOON.isoformat())
NOT_SENT = [
    (StepForm(text="x" * 2_001), SendRefusal.STEP_TOO_LONG),
    (StepForm(next="x" * 2_001), SendRefusal.STEP_TOO_LONG),
    (StepForm(by="morgen"), SendRefusal.DAY_UNREADABLE),
    (StepForm(by="2026-11-19"), SendRefusal.DAY_PAST),
    (StepForm(by="2026-11-27"), SendRefusal.DAY_CLOSED),
]


def context_for(desk: OpenDesk, source: ASource) -> FormContext:
    heads, unseen = heads_on_page(desk, source.keys.address, today=TODAY)
    return FormContext(
        source.keys.address, EntryId(hashlib.sha256(str(next(_ids)).encode()).digest()[:16]), heads, unseen
    )


_ids = iter(range(10_000))


def file_of(desk: OpenDesk, source: ASource) -> AttachmentId:
    (file,) = opens(desk, source.keys.address, today=TODAY).entries[0].files
    return AttachmentId(bytes.fromhex(file.attachment_id))


def prepare(
    desk: OpenDesk,
    form_context: FormContext,
    text: str = "Woord voor woord.",
    chosen: tuple[AttachmentId, ...] = (),
    uploads: Iterable[UploadedFile] = (),
    fingerprint: str = KEY,
    words: StepForm = EMPTY_STEP_FORM,
) -> proposing.PreparedProposal:
    """Prepare a proposal, and wait until its files are examined."""
    form = ProposalForm(fingerprint, text, chosen, words)
    prepared = proposing.prepare_proposal(desk, form_context, form, uploads, today=TODAY, half_hour=1)
    while prepared.is_busy:
        time.sleep(0.001)
    return prepared


def propose(
    desk: OpenDesk, source: ASource, text: str = "Woord voor woord.", *, is_copy: bool = False
) -> ProposalState:
    form_context = context_for(desk, source)
    chosen = (file_of(desk, source),)
    prepare(desk, form_context, text, chosen)
    proposing.send_proposal(
        desk, form_context.address, form_context.entry_id, [] if is_copy else [0], today=TODAY
    )
    return newest(desk, source)


def newest(desk: OpenDesk, source: ASource) -> ProposalState:
    return opens(desk, source.keys.address, today=TODAY).thread_state.proposals[-1]


def answers(
    source: ASource, verdict: Verdict, proposal: Digest, shown: Sequence[Digest] | None = None
) -> SignedEntry:
    note = AnswerNote(verdict=verdict, proposal=proposal)
    return source.says(Content(kind=Kind.ANSWER, text="", answer=note), shown=shown)


def begin(
    desk: OpenDesk,
    source: ASource,
    proposed: ProposalState,
    without: WithoutConsent | None = None,
    words: StepForm = EMPTY_STEP_FORM,
) -> None:
    pass_on.begin_passing_on(
        desk, context_for(desk, source), proposed.entry_id, today=TODAY, without=without, words=words
    )


def make(desk: OpenDesk, source: ASource, proposed: ProposalState) -> bytes:
    with make_export.make_export(desk, context_for(desk, source), proposed.entry_id, today=TODAY) as file:
        return file.read()


def deliver(
    desk: OpenDesk, source: ASource, proposed: ProposalState, day: date = TODAY, words: StepForm = HOW
) -> None:
    pass_on.record_handover(
        desk,
        context_for(desk, source),
        proposed.entry_id,
        words,
        delivered=day.isoformat(),
        today=TODAY + timedelta(days=2),
    )


def steps_of(desk: OpenDesk, source: ASource) -> list[StepName]:
    return [step.step for step in opens(desk, source.keys.address, today=TODAY).thread_state.steps]


def current(desk: OpenDesk, source: ASource) -> ThreadStep:
    step = opens(desk, source.keys.address, today=TODAY).thread_state.current
    assert step is not None
    return step


def pending_files(world: World) -> int:
    with world.store.reading() as session:
        return (
            session.connection()
            .exec_driver_sql("SELECT count(*) FROM attachment WHERE pending_half_hour IS NOT NULL")
            .scalar_one()
        )


# ---- proposing


def test_a_proposal_holds_the_very_bytes_that_would_go(desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    note = proposed.content.proposal

    assert proposed.state is ProposalStatus.WAITING
    assert (note.recipient, note.name, note.fingerprint) == ("sg", "Secretaris-generaal", KEY)
    (file,) = note.files
    assert file.sha256 == hashlib.sha256(b"author: iemand; inhoud").digest()
    assert (file.is_cleaned, file.about) == (False, "Author: J. Jansen")
    assert [each.name for each in proposed.content.attachments] == ["bewijs.pdf"]


def test_the_findings_in_a_file_are_in_the_language_of_the_source(desk: OpenDesk, source: ASource) -> None:
    assert "" == prepare(desk, context_for(desk, source)).language
    for language, shown in (("en", "en"), ("fr", "fr"), ("xx", "en"), ("nl", "nl"), ("", "nl")):
        source.says(Content(kind=Kind.MESSAGE, language=language, text="Hoi."))
        assert shown == prepare(desk, context_for(desk, source)).language


def test_a_cleaned_copy_goes_where_the_adviser_says_so(world: World, desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source, is_copy=True)

    (file,) = proposed.content.proposal.files
    assert file.is_cleaned
    assert file.sha256 == hashlib.sha256(b": iemand; inhoud").digest()
    assert pending_files(world) == 0
    shown = opens(desk, source.keys.address, today=TODAY)
    assert [entry.kind for entry in shown.entries] == ["message", "proposal"]
    assert shown.entries[1].proposal == proposed


def test_a_copy_of_pictures_goes_under_its_own_name_and_the_source_reads_that_it_is_pictures(
    desk: OpenDesk, source: ASource
) -> None:
    form_context = context_for(desk, source)
    prepared = prepare(
        desk, form_context, uploads=[(f"{number}.doc", iter([b"author: iemand"])) for number in range(2)]
    )
    assert [(CopyForm.PAGES, 3)] * 2 == [(file.form, file.pages) for file in prepared.files]

    proposing.send_proposal(desk, form_context.address, form_context.entry_id, [1], today=TODAY)

    picture, original = newest(desk, source).content.proposal.files
    assert (True, "Author: J. Jansen\nA copy.") == (picture.is_cleaned, picture.about)
    assert (False, "Author: J. Jansen") == (original.is_cleaned, original.about)


def test_files_of_the_form_go_too_and_leave_nothing_behind(
    world: World, desk: OpenDesk, source: ASource, paper: Paper
) -> None:
    form_context = context_for(desk, source)
    prepared = prepare(desk, form_context, uploads=[("../bijlage.txt", iter([b"een", b"twee"]))])

    assert [(file.name, file.findings.is_empty, file.copy, file.remarks) for file in prepared.files] == [
        ("bijlage.txt", True, None, ("No copy.",))
    ]
    assert list(paper.folder.glob("tmp*")) == []
    assert pending_files(world) == 1
    proposing.send_proposal(desk, form_context.address, form_context.entry_id, [0], today=TODAY)
    assert [each.name for each in newest(desk, source).content.attachments] == ["bijlage.txt"]


def test_two_files_of_one_name_get_two_names(desk: OpenDesk, source: ASource) -> None:
    form_context = context_for(desk, source)
    uploads = [("a.doc", iter([b"author: een"])), ("map/A.doc", iter([b"author: twee"]))]

    prepared = prepare(desk, form_context, uploads=[*uploads, ("a.rtf", iter([b"author: drie"]))])
    proposing.send_proposal(desk, form_context.address, form_context.entry_id, [], today=TODAY)

    assert ["a.doc", "A (2).doc", "a.rtf"] == [file.name for file in prepared.files]
    sent = [each.name for each in newest(desk, source).content.attachments]
    assert len({name.casefold() for name in sent}) == len(sent) == 3


def test_a_file_too_large_to_look_into_goes_as_it_is(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposal_files, "INSPECTED_BYTES", 5)

    form_context = context_for(desk, source)
    prepared = prepare(desk, form_context, uploads=[("a.pdf", iter([b"author", b"more", b"and more"]))])

    assert [(file.findings, file.copy) for file in prepared.files] == [(not_examined(TOO_LARGE), None)]
    assert prepared.files[0].original.note.size == 18
    proposing.send_proposal(desk, form_context.address, form_context.entry_id, [0], today=TODAY)
    about = [each.about for each in newest(desk, source).content.proposal.files]
    assert about == [not_examined(TOO_LARGE).text_in("en", TEXT_CHARS)]


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a small disk")
@pytest.mark.parametrize("left", [b"", b"author"])
def test_a_file_larger_than_the_disk_in_memory_goes_as_it_is(
    desk: OpenDesk, source: ASource, left: bytes
) -> None:
    with a_small_disk("1m") as disk:
        desk.exporter = Paper(disk)
        pieces = [b"author" * 100_000, b"more" * 250_000, left]
        prepared = prepare(desk, context_for(desk, source), uploads=[("a.pdf", iter(pieces))])

    assert [(file.findings, file.copy) for file in prepared.files] == [(not_examined(TOO_LARGE), None)]
    assert prepared.files[0].original.sha256 == hashlib.sha256(b"".join(pieces)).digest()


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a small disk")
def test_a_file_for_which_the_disk_in_memory_has_no_place_at_all_goes_as_it_is(
    desk: OpenDesk, source: ASource
) -> None:
    with a_small_disk("1m") as disk:
        desk.exporter = Paper(disk)
        (disk / "others").write_bytes(bytes(1024 * 1024))
        prepared = prepare(desk, context_for(desk, source), uploads=[("a.pdf", iter([b"author"]))])

    assert [(file.findings, file.original.note.size) for file in prepared.files] == [
        (not_examined(TOO_LARGE), 6)
    ]


def test_a_file_beyond_the_users_share_of_memory_goes_as_it_is(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(proposal_files, "TemporaryFile", lambda **_: _BeyondQuota(tmp_path / "memory", "x+b"))

    prepared = prepare(desk, context_for(desk, source), uploads=[("a.pdf", iter([b"author", b"more"]))])

    assert [(file.findings, file.original.note.size) for file in prepared.files] == [
        (not_examined(TOO_LARGE), 10)
    ]


class _BeyondQuota(io.FileIO):
    def write(self, _: object, /) -> int:
        raise OSError(errno.EDQUOT, "over quota")


@pytest.mark.parametrize("fault", [SendRefusedError(SendRefusal.NO_ROOM), RuntimeError()])
def test_a_file_that_cannot_be_cleaned_goes_as_it_is_and_leaves_the_app_idle(
    desk: OpenDesk, source: ASource, paper: Paper, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*_: object) -> bytes:
        raise fault

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(Paper, "make_copy", fail)

    prepared = prepare(desk, context_for(desk, source), uploads=[("a.pdf", iter([b"author"])), A_FILE])

    assert [None, None] == [file.copy for file in prepared.files]
    reasons = () if isinstance(fault, RuntimeError) else (NO_ROOM,)
    assert [reasons, reasons] == [file.remarks for file in prepared.files]
    assert not prepared.is_busy
    assert paper.shares


A_FILE = ("b.pdf", iter([b"more"]))


def test_the_files_of_a_proposal_share_the_time(desk: OpenDesk, source: ASource, paper: Paper) -> None:
    since = time.monotonic()

    prepare(desk, context_for(desk, source), uploads=[(f"{n}.pdf", iter([b"x"])) for n in range(3)])

    first, second, third = (share - since for share in paper.shares)
    assert first < proposal_files.EXAMINE_SECONDS / 2 < second < third
    assert third < proposal_files.EXAMINE_SECONDS + time.monotonic() - since


def test_locking_while_files_are_examined_keeps_the_typed_text(
    desk: OpenDesk, source: ASource, world: World, paper: Paper
) -> None:
    paper.may_end.clear()
    form = ProposalForm(KEY, "Woord voor woord.", (), StepForm(text="Lees het rustig."))
    files = [(f"{n}.pdf", iter([b"x"])) for n in range(3)]
    prepared = proposing.prepare_proposal(
        desk, context_for(desk, source), form, files, today=TODAY, half_hour=1
    )
    assert prepared.is_busy

    desk.stop()
    paper.may_end.set()
    while prepared.is_busy:
        time.sleep(0.001)
    again = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    while not unsent_forms.list_unsent(again):
        time.sleep(0.001)

    (unsent,) = unsent_forms.list_unsent(again)
    assert source.keys.address == unsent.address
    assert ["Woord voor woord.", "Lees het rustig."] == [text for _, text in unsent.texts]
    assert len(paper.shares) <= 1  # the other files were not examined


def test_a_text_that_cannot_be_kept_does_not_stop_the_lock(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unsent_forms, "UNSENT_MAX", 0)
    desk.stopping.set()

    assert prepare(desk, context_for(desk, source), uploads=[A_FILE]).files[0].findings == not_examined(
        FAILED
    )


def test_a_failure_leaves_no_open_copy(desk: OpenDesk, source: ASource) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):  # an open copy would give a warning, which fails the test
        prepare(desk, context_for(desk, source), uploads=[("a.pdf", iter([b"x"])), ("b.pdf", broken())])


def test_a_double_click_proposes_once(desk: OpenDesk, source: ASource) -> None:
    form_context = context_for(desk, source)
    prepare(desk, form_context)

    for _ in range(2):
        proposing.send_proposal(desk, form_context.address, form_context.entry_id, [], today=TODAY)

    assert steps_of(desk, source).count(StepName.PROPOSAL_MADE) == 1


def test_what_is_said_with_a_proposal_stands_with_it_and_is_no_part_of_what_is_agreed(
    desk: OpenDesk, source: ASource
) -> None:
    form_context = context_for(desk, source)
    prepare(desk, form_context, words=WORDS)

    for _ in range(2):
        proposing.send_proposal(desk, form_context.address, form_context.entry_id, [], today=TODAY)
    answers(source, Verdict.AGREED, newest(desk, source).digest)

    made, said = newest(desk, source), current(desk, source)
    assert made.state is ProposalStatus.AGREED
    assert made.content.text == "Woord voor woord."
    assert steps_of(desk, source) == [StepName.RECEIVED, StepName.BEING_READ, StepName.PROPOSAL_MADE]
    assert (said.text, said.next, said.by, said.to) == (
        "Lees het rustig.", "Jij kiest.", SOON, "Secretaris-generaal",
    )  # fmt: skip
    assert said.proposal == made.digest


@pytest.mark.parametrize("words", [StepForm(text=" ", next="\n", by=" "), StepForm(step="closed")])
def test_a_proposal_about_which_nothing_is_said_is_one_entry(
    desk: OpenDesk, source: ASource, words: StepForm
) -> None:
    form_context = context_for(desk, source)
    prepare(desk, form_context, words=words)

    proposing.send_proposal(desk, form_context.address, form_context.entry_id, [], today=TODAY)

    assert current(desk, source).is_derived


def test_a_proposal_sent_again_with_other_words_is_told(desk: OpenDesk, source: ASource) -> None:
    form_context = context_for(desk, source)
    prepare(desk, form_context)
    proposing.send_proposal(desk, form_context.address, form_context.entry_id, [], today=TODAY)
    prepare(desk, form_context, words=WORDS)

    with refuses(SendRefusal.FORM_REUSED):
        proposing.send_proposal(desk, form_context.address, form_context.entry_id, [], today=TODAY)


@pytest.mark.parametrize(("words", "refused"), NOT_SENT)
def test_a_proposal_with_words_that_cannot_be_sent_is_refused_and_leaves_nothing(
    world: World, desk: OpenDesk, source: ASource, words: StepForm, refused: SendRefusal
) -> None:
    with refuses(refused):
        prepare(desk, context_for(desk, source), chosen=(file_of(desk, source),), words=words)

    assert (desk.prepared, pending_files(world)) == ({}, 0)


def test_a_day_that_went_by_while_a_proposal_was_looked_at_is_not_promised(
    desk: OpenDesk, source: ASource
) -> None:
    form_context = context_for(desk, source)
    prepare(desk, form_context, words=StepForm(by=TODAY.isoformat()))

    with refuses(SendRefusal.DAY_PAST):
        proposing.send_proposal(
            desk, form_context.address, form_context.entry_id, [], today=TODAY + timedelta(days=1)
        )

    assert opens(desk, source.keys.address, today=TODAY).thread_state.proposals == ()


def test_what_was_looked_at_is_gone_after_a_lock_or_a_day(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    form_context = context_for(desk, source)
    with refuses(PassOnRefusal.PREPARATION_GONE):
        proposing.send_proposal(desk, form_context.address, form_context.entry_id, [], today=TODAY)
    prepare(desk, form_context, chosen=(file_of(desk, source),))
    with refuses(PassOnRefusal.PREPARATION_GONE):
        proposing.find_prepared(desk, Address(bytes(20)), form_context.entry_id)
    with world.store.writing() as session:
        attachments.abandon_uploads(session, form_context.address, form_context.entry_id)

    with refuses(PassOnRefusal.PREPARATION_GONE):
        proposing.send_proposal(desk, form_context.address, form_context.entry_id, [], today=TODAY)

    assert form_context.entry_id not in desk.prepared


def test_the_oldest_preparation_makes_place_for_a_new_one(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    form_contexts = [context_for(desk, source) for _ in range(proposing.PREPARED_MAX + 1)]
    for form_context in form_contexts:
        prepare(desk, form_context, uploads=[("a.txt", iter([b"x"]))])

    assert form_contexts[0].entry_id not in desk.prepared
    assert pending_files(world) == proposing.PREPARED_MAX


def test_a_proposal_that_cannot_be_made_is_refused_and_leaves_nothing(
    world: World, desk: OpenDesk, source: ASource, paper: Paper
) -> None:
    form_context = context_for(desk, source)
    many = [(f"{each}.txt", iter([b"x"])) for each in range(4)]
    cases: list[tuple[dict[str, object], StrEnum]] = [
        ({"text": " "}, SendRefusal.TEXT_MISSING),
        ({"text": "\u200b\ufeff\u2800\u3164\u00ad\u200e"}, SendRefusal.TEXT_MISSING),
        ({"text": "x" * (TEXT_CHARS + 1)}, SendRefusal.TEXT_TOO_LONG),
        ({"fingerprint": "C" * 40}, PassOnRefusal.RECIPIENT_MISSING),
        ({"chosen": (AttachmentId(bytes(16)),)}, FileRefusal.MISSING),
        ({"chosen": (AttachmentId(bytes(16)),) * 51}, SendRefusal.TOO_MANY_FILES),
        ({"uploads": many}, SendRefusal.TOO_MANY_FILES),
    ]
    for how, reason in cases:
        with refuses(reason):
            prepare(desk, form_context, **how)  # type: ignore[arg-type]
    paper.refused.add(KEY)
    with refuses(PassOnRefusal.RECIPIENT_KEY):
        prepare(desk, form_context)
    desk.exporter = None
    assert usable_recipients.available_recipients(desk) == ()
    with refuses(PassOnRefusal.NO_OPENPGP):
        prepare(desk, form_context)

    assert pending_files(world) == 0
    assert desk.prepared == {}


def test_nothing_is_prepared_upon_what_was_not_read(desk: OpenDesk, source: ASource) -> None:
    form_context = context_for(desk, source)
    source.writes("wacht")

    with refuses(SendRefusal.SOURCE_WROTE):
        prepare(desk, form_context)


def test_nothing_is_prepared_in_a_mailbox_that_fails_verification(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    form_context = context_for(desk, source)
    world.execute("UPDATE entry SET signature = :none", none=bytes(64))

    with pytest.raises(UnsoundMailboxError):
        prepare(desk, form_context)


def _spoil(world: World, table: str) -> None:
    world.execute(
        f"UPDATE sealed SET payload = zeroblob(length(payload)) WHERE id IN (SELECT id FROM {table})"  # noqa: S608
    )


def test_a_file_that_is_not_as_it_was_signed_is_not_proposed(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    chosen = (file_of(desk, source),)
    form_context = context_for(desk, source)
    _spoil(world, "chunk")
    with refuses(FileRefusal.BROKEN):
        prepare(desk, form_context, chosen=chosen)
    world.execute("UPDATE sealed SET header = x'00' WHERE id IN (SELECT id FROM attachment)")
    with refuses(FileRefusal.BROKEN):
        prepare(desk, form_context, chosen=chosen)

    assert pending_files(world) == 0


def _spoil_at(world: World, place: int) -> None:
    world.execute(
        "UPDATE sealed SET payload ="
        " CAST(substr(payload, 1, :place) || zeroblob(16) || substr(payload, :place + 17) AS BLOB)"
        " WHERE id IN (SELECT id FROM chunk)",
        place=place,
    )


def test_a_file_spoilt_half_way_is_not_proposed(world: World, desk: OpenDesk) -> None:
    source = a_source(world)
    source.writes("vraag", file=("bewijs.pdf", bytes(400_000)))
    chosen = (file_of(desk, source),)
    form_context = context_for(desk, source)
    _spoil_at(world, 300_000)

    with refuses(FileRefusal.BROKEN):
        prepare(desk, form_context, chosen=chosen)

    assert pending_files(world) == 0


def test_what_was_sealed_before_sending_goes_opened(world: World, desk: OpenDesk) -> None:
    source = a_source(world)
    source.writes("vraag", file=("bewijs.age", age_file(b"%PDF-1.7 inhoud", [recipient_of(world)])))

    prepared = prepare(desk, context_for(desk, source), chosen=(file_of(desk, source),))

    (file,) = prepared.files
    assert ("bewijs.pdf", Digest(hashlib.sha256(b"%PDF-1.7 inhoud").digest())) == (
        file.name,
        file.original.sha256,
    )


@pytest.mark.parametrize("damage", ["for someone else", "half way"])
def test_what_was_sealed_and_does_not_open_is_not_proposed(world: World, desk: OpenDesk, damage: str) -> None:
    source = a_source(world)
    stranger = PQIdentity(b"x" * 32).recipient
    to = stranger if damage == "for someone else" else recipient_of(world)
    sealed = bytearray(age_file(bytes(300_000), [to]))
    sealed[200_000] ^= 1
    source.writes("vraag", file=("bewijs.age", bytes(sealed)))
    chosen = (file_of(desk, source),)

    with refuses(FileRefusal.SEALED):
        prepare(desk, context_for(desk, source), chosen=chosen)

    assert pending_files(world) == 0


def test_those_that_can_be_passed_on_to_are_the_pinned(desk: OpenDesk) -> None:
    assert [each.name for each in usable_recipients.available_recipients(desk)] == [
        "Secretaris-generaal",
        "X",
    ]


# ---- passing on


def test_agreed_made_and_handed_over(desk: OpenDesk, source: ASource, paper: Paper) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)

    begin(desk, source, proposed)
    assert newest(desk, source).state is ProposalStatus.PASSING_ON
    made = make(desk, source, proposed)
    assert newest(desk, source).state is ProposalStatus.PASSED_ON
    deliver(desk, source, proposed, TODAY + timedelta(days=1))

    assert made.startswith(b"-----BEGIN PGP")
    assert paper.made == [(KEY, "Woord voor woord.", [("bewijs.pdf", b"author: iemand; inhoud")])]
    last = opens(desk, source.keys.address, today=TODAY).thread_state.steps[-1]
    assert (last.delivered, last.text) == (TODAY + timedelta(days=1), "Op een stick, persoonlijk.")
    casefile = casefiles.read_casefile(desk, source.keys.address)
    (passed,) = casefile.passed_on
    assert (passed.recipient, passed.with_consent, passed.made, passed.delivered) == (
        "sg", True, TODAY, TODAY + timedelta(days=1),
    )  # fmt: skip
    assert [each.kind for each in casefile.evidence] == [EvidenceKind.PROPOSAL, EvidenceKind.ANSWER]


def test_false_evidence_and_a_false_delivery_that_came_first_are_replaced(
    desk: OpenDesk, source: ASource, paper: Paper
) -> None:
    """Attack: the thief of a retired workstation's key writes the casefile before the desk does."""
    proposed = propose(desk, source)
    given = answers(source, Verdict.AGREED, proposed.digest)
    old = date(2001, 1, 1)
    false = Evidence(kind=EvidenceKind.ANSWER, day=old, entry=given.digest, body=b"rubbish")
    delivery = PassedOn(
        recipient="complaints", with_consent=False, made=old, proposal=proposed.digest, delivered=old
    )
    casefiles.set_in_casefile(desk, source.keys.address, evidence=(false,), passed_on=(delivery,))

    begin(desk, source, proposed)
    make(desk, source, proposed)

    casefile = casefiles.read_casefile(desk, source.keys.address)
    assert [each.kind for each in casefile.evidence] == [EvidenceKind.PROPOSAL, EvidenceKind.ANSWER]
    assert all(each.signature for each in casefile.evidence)
    (passed,) = casefile.passed_on
    assert (passed.recipient, passed.with_consent, passed.made, passed.delivered) == ("sg", True, TODAY, None)
    assert paper.made


def test_it_can_be_made_again_and_is_told_once(desk: OpenDesk, source: ASource, paper: Paper) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)
    begin(desk, source, proposed)
    paper.is_broken = True
    with refuses(PassOnRefusal.DISK_FULL):
        make(desk, source, proposed)
    paper.is_broken = False

    for _ in range(2):
        make(desk, source, proposed)

    assert paper.made[0] == paper.made[1]
    assert steps_of(desk, source).count(StepName.PASSED_ON) == 1
    assert steps_of(desk, source).count(StepName.PASSING_ON) == 1
    assert len(casefiles.read_casefile(desk, source.keys.address).passed_on) == 1
    assert len(casefiles.read_casefile(desk, source.keys.address).evidence) == 2


@pytest.mark.parametrize(
    ("verdicts", "refused"),
    [
        ((), PassOnRefusal.NOT_AGREED),
        ((Verdict.DECLINED,), PassOnRefusal.NOT_AGREED),
        ((Verdict.AGREED, Verdict.CHANGES_ASKED), PassOnRefusal.NOT_AGREED),
        ((Verdict.AGREED, Verdict.TAKEN_BACK), PassOnRefusal.WITHDRAWN),
    ],
)
def test_what_the_source_did_not_agree_to_is_not_passed_on(
    desk: OpenDesk, source: ASource, verdicts: tuple[Verdict, ...], refused: PassOnRefusal
) -> None:
    proposed = propose(desk, source)
    for verdict in verdicts:
        answers(source, verdict, proposed.digest)

    with refuses(refused):
        begin(desk, source, proposed)
    with refuses(PassOnRefusal.NOT_BEGUN):
        make(desk, source, proposed)
    with refuses(PassOnRefusal.NOT_BEGUN):
        deliver(desk, source, proposed)

    assert StepName.PASSING_ON not in steps_of(desk, source)
    assert casefiles.read_casefile(desk, source.keys.address).evidence == ()


def test_a_consent_with_another_digest_is_refused(desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, Digest(b"x" * 32))

    with refuses(PassOnRefusal.OTHER_DIGEST):
        begin(desk, source, proposed)


def test_a_consent_replayed_from_another_mailbox_is_refused(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    """Attack: in another mailbox, someone else agreed to the same text for the same recipient."""
    other = a_source(world)
    other.writes("vraag", file=("bewijs.pdf", b"author: iemand; inhoud"))
    answers(source, Verdict.AGREED, propose(desk, other).digest)
    proposed = propose(desk, source)

    with refuses(PassOnRefusal.OTHER_DIGEST):
        begin(desk, source, proposed)


def test_a_consent_entry_copied_from_another_mailbox_stops_everything(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    other = a_source(world)
    other.writes("vraag", file=("bewijs.pdf", b"author: iemand; inhoud"))
    agreed = answers(other, Verdict.AGREED, propose(desk, other).digest)
    proposed = propose(desk, source)
    form_context = context_for(desk, source)
    world.execute(
        "UPDATE entry SET address = :here, number = 9 WHERE digest = :digest",
        here=source.keys.address,
        digest=agreed.digest,
    )

    for does in (pass_on.begin_passing_on, make_export.make_export):
        with pytest.raises(UnsoundMailboxError):
            does(desk, form_context, proposed.entry_id, today=TODAY)  # type: ignore[operator]


def test_the_desk_cannot_agree_for_the_source(desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    source.is_told(
        Content(
            kind=Kind.ANSWER, text="", answer=AnswerNote(verdict=Verdict.AGREED, proposal=proposed.digest)
        )
    )

    with refuses(PassOnRefusal.NOT_AGREED):
        begin(desk, source, proposed)


def test_only_the_newest_proposal_can_be_passed_on(desk: OpenDesk, source: ASource) -> None:
    older = propose(desk, source, "een")
    answers(source, Verdict.AGREED, older.digest)
    propose(desk, source, "twee")

    for without in (None, WITHOUT):
        with refuses(PassOnRefusal.PROPOSAL_OBSOLETE):
            begin(desk, source, older, without)


def test_taken_back_between_the_page_and_the_press_is_taken_back(desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    form_context = context_for(desk, source)
    answers(source, Verdict.TAKEN_BACK, proposed.digest)

    with refuses(PassOnRefusal.WITHDRAWN, SendRefusal.SOURCE_WROTE):
        pass_on.begin_passing_on(desk, form_context, proposed.entry_id, today=TODAY)

    assert StepName.PASSING_ON not in steps_of(desk, source)


class _Overtaken(pass_on.EntrySender):
    """Sender for which the source writes something between the sender's last check and its append."""

    overtaker: list[object] = []  # noqa: RUF012  # set by the test

    def _sign(self, conversation: Conversation) -> tuple[SignedEntry, ...]:
        signed = super()._sign(conversation)
        if self.overtaker:
            self.overtaker.pop()()  # type: ignore[operator]
        return signed


@pytest.mark.parametrize("how", ["says so", "deletes the agreement", "writes"])
def test_a_source_who_takes_back_at_the_last_moment_is_heard(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    proposed = propose(desk, source)
    agreed = answers(source, Verdict.AGREED, proposed.digest)
    overtakers = {
        "says so": lambda: answers(source, Verdict.TAKEN_BACK, proposed.digest),
        "deletes the agreement": lambda: source.removes(agreed),
        "writes": lambda: source.writes("wacht even"),
    }
    monkeypatch.setattr(pass_on, "EntrySender", _Overtaken)
    monkeypatch.setattr(_Overtaken, "overtaker", [overtakers[how]])

    with refuses(PassOnRefusal.WITHDRAWN, SendRefusal.SOURCE_WROTE):
        begin(desk, source, proposed)

    assert StepName.PASSING_ON not in steps_of(desk, source)
    assert not casefiles.read_casefile(desk, source.keys.address).evidence


def test_a_source_who_ends_the_mailbox_just_before_passing_on_leaves_nothing_with_the_desk(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page promises that the desk keeps the proposal and the answer only once it has begun."""
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    monkeypatch.setattr(pass_on, "EntrySender", _Overtaken)
    monkeypatch.setattr(_Overtaken, "overtaker", [source.ends])

    with pytest.raises(MailboxNotFoundError):
        begin(desk, source, proposed)

    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)
    assert consent_evidence.read_evidence(desk) == ()


def test_a_second_try_that_comes_too_late_keeps_the_evidence_of_the_first(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)
    (before,) = consent_evidence.read_evidence(desk)
    answers(source, Verdict.TAKEN_BACK, proposed.digest, shown=[])
    answers(source, Verdict.AGREED, proposed.digest)
    monkeypatch.setattr(pass_on, "EntrySender", _Overtaken)
    monkeypatch.setattr(_Overtaken, "overtaker", [lambda: source.writes("wacht even")])

    with refuses(SendRefusal.SOURCE_WROTE):
        begin(desk, source, proposed)

    (after,) = consent_evidence.read_evidence(desk)
    assert {each.entry for each, _ in after.pieces} == {each.entry for each, _ in before.pieces}


def test_a_mark_of_reading_at_the_last_moment_holds_nothing_up(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    monkeypatch.setattr(pass_on, "EntrySender", _Overtaken)
    monkeypatch.setattr(_Overtaken, "overtaker", [source.looks])

    begin(desk, source, proposed)

    assert newest(desk, source).state is ProposalStatus.PASSING_ON


def test_a_deleted_agreement_is_no_agreement(desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    source.removes(answers(source, Verdict.AGREED, proposed.digest))

    with refuses(PassOnRefusal.NOT_AGREED):
        begin(desk, source, proposed)


def test_a_proposal_that_is_not_there_cannot_be_passed_on(desk: OpenDesk, source: ASource) -> None:
    with pytest.raises(NoSuchProposalError):
        pass_on.begin_passing_on(desk, context_for(desk, source), EntryId(b"x" * 16), today=TODAY)


@pytest.mark.parametrize("when", ["begin", "make"])
def test_a_key_swapped_under_the_same_name_is_refused(
    desk: OpenDesk, source: ASource, paper: Paper, when: str
) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    if when == "make":
        begin(desk, source, proposed)
    paper.recipients = (RecipientKey("sg", "Secretaris-generaal", OTHER_KEY, Path()),)

    with refuses(PassOnRefusal.RECIPIENT_CHANGED):
        (begin if when == "begin" else make)(desk, source, proposed)

    assert paper.made == []


def test_a_key_that_expired_since_is_refused(desk: OpenDesk, source: ASource, paper: Paper) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    paper.refused.add(KEY)

    with refuses(PassOnRefusal.RECIPIENT_KEY):
        begin(desk, source, proposed)


def test_without_gpg_nothing_is_passed_on(desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    desk.exporter = None

    with refuses(PassOnRefusal.NO_OPENPGP):
        begin(desk, source, proposed)


@pytest.mark.parametrize("table", ["chunk", "attachment"])
def test_a_file_that_was_changed_in_the_store_is_not_passed_on(
    world: World, desk: OpenDesk, source: ASource, paper: Paper, table: str
) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)
    if table == "chunk":
        _spoil(world, "chunk")
    else:
        world.execute("UPDATE sealed SET header = x'00' WHERE id IN (SELECT id FROM attachment)")

    with refuses(FileRefusal.BROKEN):
        make(desk, source, proposed)

    assert paper.made == []
    assert StepName.PASSED_ON not in steps_of(desk, source)


def test_other_bytes_than_the_source_was_shown_break_off() -> None:
    with refuses(FileRefusal.BROKEN):
        b"".join(make_export._checked(iter([b"other"]), hashlib.sha256(b"shown").digest()))


def test_a_file_that_changes_after_its_verification_breaks_off() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"begin"
        raise ForgedError

    with refuses(FileRefusal.BROKEN):
        b"".join(make_export._checked(pieces(), hashlib.sha256(b"begin").digest()))
    with refuses(FileRefusal.BROKEN):
        b"".join(proposal_files._decrypted(pieces()))


def test_every_step_of_passing_on_says_what_comes_next_and_when(desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)

    begin(desk, source, proposed, words=WORDS)
    begun = current(desk, source)
    make(desk, source, proposed)
    made = current(desk, source)
    later = StepForm(text="Aan de balie.", next="Wij horen iets terug.", by="2026-11-30")
    deliver(desk, source, proposed, words=later)
    handed_over = current(desk, source)

    assert (begun.step, begun.text, begun.next, begun.by) == (
        StepName.PASSING_ON, "Lees het rustig.", "Jij kiest.", SOON,
    )  # fmt: skip
    assert (made.step, made.text, made.next, made.by) == (StepName.PASSED_ON, "", "Jij kiest.", SOON)
    assert (handed_over.text, handed_over.next, handed_over.by) == (
        "Aan de balie.", "Wij horen iets terug.", date(2026, 11, 30),
    )  # fmt: skip


@pytest.mark.parametrize(("words", "refused"), NOT_SENT)
def test_a_step_of_passing_on_with_words_that_cannot_be_sent_is_not_taken(
    desk: OpenDesk, source: ASource, words: StepForm, refused: SendRefusal
) -> None:
    proposed = propose(desk, source)
    if not words.text:
        with refuses(refused):
            begin(desk, source, proposed, WITHOUT, words)
    answers(source, Verdict.AGREED, proposed.digest)
    with refuses(refused):
        begin(desk, source, proposed, words=words)
    assert newest(desk, source).state is ProposalStatus.AGREED

    begin(desk, source, proposed)
    make(desk, source, proposed)
    with refuses(refused):
        deliver(desk, source, proposed, words=words)
    assert current(desk, source).delivered is None


def test_what_is_under_way_is_so_until_it_was_handed_over(desk: OpenDesk, source: ASource) -> None:
    def under_way() -> list[ProposalStatus]:
        thread = opens(desk, source.keys.address, today=TODAY).thread_state
        return [each.state for each in pass_on.list_unfinished(thread)]

    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    assert under_way() == []
    begin(desk, source, proposed)
    assert under_way() == [ProposalStatus.PASSING_ON]
    make(desk, source, proposed)
    assert under_way() == [ProposalStatus.PASSED_ON]
    deliver(desk, source, proposed)
    assert under_way() == []


def test_nothing_is_handed_over_before_it_was_made_or_tomorrow(desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)
    with refuses(PassOnRefusal.NOT_BEGUN):
        deliver(desk, source, proposed)
    make(desk, source, proposed)

    for day in (TODAY - timedelta(days=1), TODAY + timedelta(days=3)):
        with refuses(PassOnRefusal.HANDOVER_DAY):
            deliver(desk, source, proposed, day)


# ---- without the source's agreement


@pytest.mark.parametrize("verdicts", [(), (Verdict.DECLINED,), (Verdict.AGREED, Verdict.TAKEN_BACK)])
def test_without_agreement_only_with_a_reason_that_the_source_can_read(
    desk: OpenDesk, source: ASource, verdicts: tuple[Verdict, ...]
) -> None:
    proposed = propose(desk, source)
    for verdict in verdicts:
        answers(source, verdict, proposed.digest)
    for without in (WithoutConsent("spoed", is_confirmed=True), WithoutConsent(REASON, is_confirmed=False)):
        with refuses(PassOnRefusal.REASON_MISSING):
            begin(desk, source, proposed, without)

    begin(desk, source, proposed, WITHOUT, StepForm(text="Geen reden.", next="Wij bellen.", by="2026-11-26"))
    make(desk, source, proposed)

    steps = opens(desk, source.keys.address, today=TODAY).thread_state.steps
    (begun,) = [step for step in steps if step.step is StepName.PASSING_ON]
    assert (begun.without_consent, begun.text) == (True, REASON)
    assert (begun.next, begun.by) == ("Wij bellen.", SOON)
    (passed,) = casefiles.read_casefile(desk, source.keys.address).passed_on
    assert not passed.with_consent


# ---- the mailbox is on a server, and this is a replica


def _pairs(world: World) -> None:
    with world.store.writing() as session:
        peers.add(session, SERVER, b"card")


def _syncs(world: World, source: ASource) -> None:
    """Mark all items as confirmed by the server, as a sync does. The tests in tests/sync really sync."""
    with world.store.writing() as session:
        serial = peers.reserve_serial(session, SERVER)
        rows = outbox.of_mailbox(session, SERVER, source.keys.address)
        outbox.mark_packed(session, [row.id for row in rows], serial)
        outbox.acknowledge_pouch(session, SERVER, serial)


def _seen_by_source(world: World, source: ASource) -> list[Digest]:
    with world.store.reading() as session:
        return [Digest(digest) for digest in entries.digests(session, source.keys.address)]


@pytest.mark.parametrize("without", [None, WITHOUT])
def test_no_file_is_made_before_the_server_has_confirmed_that_it_began(
    world: World, desk: OpenDesk, source: ASource, paper: Paper, without: WithoutConsent | None
) -> None:
    _pairs(world)
    proposed = propose(desk, source)
    if without is None:
        answers(source, Verdict.AGREED, proposed.digest)
    _syncs(world, source)
    begin(desk, source, proposed, without)

    with refuses(PassOnRefusal.NOT_CONFIRMED):
        make(desk, source, proposed)
    assert paper.made == []
    assert StepName.PASSED_ON not in steps_of(desk, source)

    _syncs(world, source)
    assert make(desk, source, proposed)
    assert steps_of(desk, source)[-1] is StepName.PASSED_ON
    assert make(desk, source, proposed), "it may be made again before the server knows that it was made"


def test_it_makes_no_difference_to_the_source_what_another_workstation_has(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    with world.store.writing() as session:
        peers.add(session, b"laptop-1", b"")
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)

    assert make(desk, source, proposed)


@pytest.mark.parametrize("verdict", [Verdict.TAKEN_BACK, Verdict.DECLINED, Verdict.CHANGES_ASKED])
def test_what_the_source_said_before_they_could_see_the_step_stops_the_file(
    world: World, desk: OpenDesk, source: ASource, paper: Paper, verdict: Verdict
) -> None:
    _pairs(world)
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    seen = _seen_by_source(world, source)
    begin(desk, source, proposed)
    answers(source, verdict, proposed.digest, seen)
    _syncs(world, source)

    with refuses(PassOnRefusal.WITHDRAWN):
        make(desk, source, proposed)
    with refuses(PassOnRefusal.WITHDRAWN if verdict is Verdict.TAKEN_BACK else PassOnRefusal.NOT_AGREED):
        begin(desk, source, proposed)

    assert paper.made == []
    assert newest(desk, source).state == verdict.value

    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)
    _syncs(world, source)
    assert make(desk, source, proposed)
    (passed,) = casefiles.read_casefile(desk, source.keys.address).passed_on
    assert passed.with_consent


def test_passing_on_without_agreement_counts_as_that_though_a_step_with_it_was_void(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    """The yearly report counts this case separately: the step without effect said that there was an
    agreement.
    """
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    seen = _seen_by_source(world, source)
    begin(desk, source, proposed)
    answers(source, Verdict.TAKEN_BACK, proposed.digest, seen)

    begin(desk, source, proposed, WITHOUT)
    make(desk, source, proposed)

    (passed,) = casefiles.read_casefile(desk, source.keys.address).passed_on
    assert not passed.with_consent


def test_an_agreement_that_was_deleted_before_the_source_saw_the_step_is_taken_back(
    world: World, desk: OpenDesk, source: ASource, paper: Paper
) -> None:
    proposed = propose(desk, source)
    agreed = answers(source, Verdict.AGREED, proposed.digest)
    shown = _seen_by_source(world, source)
    begin(desk, source, proposed)
    _deletes(source, agreed, shown)

    with refuses(PassOnRefusal.WITHDRAWN):
        make(desk, source, proposed)

    assert paper.made == []


def test_an_agreement_that_was_deleted_after_the_source_saw_the_step_is_deleted_too_late(
    desk: OpenDesk, source: ASource, paper: Paper
) -> None:
    proposed = propose(desk, source)
    agreed = answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)
    source.removes(agreed)

    make(desk, source, proposed)

    assert len(paper.made) == 1


def _deletes(source: ASource, removed: SignedEntry, shown: Sequence[Digest]) -> None:
    """Delete an entry, as a source who was shown only some entries."""
    by = SourceWriter(source.keys)
    source.signs(by, EntryClass.REMOVAL, removes=(removed.digest,), shown=shown)


@pytest.mark.parametrize("how", ["says so", "deletes the agreement", "deletes it at the very last moment"])
def test_what_comes_in_while_the_file_is_made_stops_it(
    world: World, desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The file for the recipient already exists at that moment, and no one receives it."""
    proposed = propose(desk, source)
    agreed = answers(source, Verdict.AGREED, proposed.digest)
    seen = _seen_by_source(world, source)
    begin(desk, source, proposed)
    spooled = make_export._write_whole

    def overtaken(desk: OpenDesk, pieces: Iterator[bytes]) -> BinaryIO:
        file = spooled(desk, pieces)
        if how == "says so":
            answers(source, Verdict.TAKEN_BACK, proposed.digest, seen)
        else:
            _deletes(source, agreed, seen)
        made.append(file)
        return file

    made: list[BinaryIO] = []
    if how == "deletes it at the very last moment":
        monkeypatch.setattr(make_export, "EntrySender", _Overtaken)
        monkeypatch.setattr(_Overtaken, "overtaker", [lambda: _deletes(source, agreed, seen)])
    else:
        monkeypatch.setattr(make_export, "_write_whole", overtaken)

    with refuses(PassOnRefusal.WITHDRAWN, SendRefusal.SOURCE_WROTE):
        make(desk, source, proposed)

    assert all(file.closed for file in made)
    assert StepName.PASSED_ON not in steps_of(desk, source)


def test_no_file_is_made_while_the_server_cannot_give_all_of_the_mailbox(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    """The entry that the server could not send may be a withdrawal that an attacker damaged."""
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)
    with world.store.writing() as session:
        sync_findings.add(session, source.keys.address, bytes(16), FindingKind.DAMAGED, TODAY)

    with pytest.raises(UnsoundMailboxError):
        make(desk, source, proposed)

    with world.store.writing() as session:
        sync_findings.drop_findings(session, source.keys.address)
    assert make(desk, source, proposed)


# ---- what stays


def test_evidence_stays_though_the_source_ends_the_mailbox(desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)
    source.ends()

    kept = casefiles.read_casefile(desk, source.keys.address).evidence

    assert [each.kind for each in kept] == [EvidenceKind.PROPOSAL, EvidenceKind.ANSWER]
    content = Content.from_bytes(kept[0].body)
    assert content.text == "Woord voor woord."
    assert (
        proposal_digest(content, address=source.keys.address, entry_id=proposed.entry_id) == proposed.digest
    )
    with pytest.raises(MailboxNotFoundError):
        make_export.make_export(
            desk, FormContext(source.keys.address, EntryId(b"z" * 16), (), ()), proposed.entry_id, today=TODAY
        )


@pytest.mark.parametrize(
    ("was_shown", "is_delivered", "reason", "told"),
    [
        (False, False, None, [TODAY]),
        (True, False, None, []),
        (False, True, None, []),
        (False, False, WITHOUT, []),
    ],
)
def test_an_end_that_crossed_the_step_takes_the_agreement_back_and_the_file_must_be_destroyed(
    desk: OpenDesk,
    source: ASource,
    *,
    was_shown: bool,
    is_delivered: bool,
    reason: WithoutConsent | None,
    told: list[date],
) -> None:
    """Attack: the operator hides the step, so that the source ends the mailbox to take the agreement back."""
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    seen = source.reads().transcript.authentic.keys()
    begin(desk, source, proposed, reason)
    make(desk, source, proposed)
    if is_delivered:
        deliver(desk, source, proposed)
    source.ends(shown=None if was_shown else seen)

    (row,) = inbox_lists.read_inbox(desk, InboxFilter("closed"), TODAY).ended

    assert list(row.to_destroy) == told
    assert len(inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY).ended) == len(told)


def test_what_was_passed_on_can_be_read_back_after_the_source_ended_the_mailbox(
    desk: OpenDesk, source: ASource
) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)
    (open_,) = consent_evidence.read_evidence(desk)
    source.ends()
    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    (gone,) = consent_evidence.read_evidence(desk)

    assert (True, None, False) == (open_.is_here, open_.until, gone.is_here)
    assert gone.until is not None
    assert gone.label == desk.label(source.keys.address)
    (said, proposal), (answer, agreed) = gone.pieces
    assert proposal is not None
    assert agreed is not None
    assert ("proposal", "Woord voor woord.") == (said.kind, proposal.text)
    assert proposal.attachments == proposed.content.attachments
    assert ("answer", Verdict.AGREED) == (answer.kind, agreed.answer.verdict)  # type: ignore[union-attr]  # an answer has one
    assert answer.signature


@pytest.mark.parametrize("body", [b"{}", b"no json", b'{"kind":"message","text":"a message"}'])
def test_evidence_that_cannot_be_read_is_shown_as_that(desk: OpenDesk, source: ASource, body: bytes) -> None:
    piece = Evidence(kind=EvidenceKind.ANSWER, day=TODAY, entry=Digest(bytes(32)), body=body)
    casefiles.update_casefile(desk, source.keys.address, lambda _: Casefile(evidence=(piece,)))

    (mailbox,) = consent_evidence.read_evidence(desk)

    assert ((piece, None),) == mailbox.pieces


def test_the_page_names_the_proposal_that_an_answer_is_about(desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    answers(source, Verdict.AGREED, Digest(b"x" * 32))

    shown = opens(desk, source.keys.address, today=TODAY).entries

    assert [each.verdict for each in shown] == ["", "", "agreed", "agreed"]
    assert [each.proposal.digest if each.proposal else None for each in shown] == [
        None, proposed.digest, proposed.digest, None,
    ]  # fmt: skip
