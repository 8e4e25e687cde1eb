"""Two workstations wrote one thing: nothing that either of them wrote is lost."""

import secrets
from dataclasses import dataclass, replace
from datetime import date, timedelta

import msgspec
import pytest

from journalist_app.services.desk.merge_records import RecordMerger, merge_casefiles
from journalist_app.services.records import reply_templates
from journalist_app.services.records.reply_templates import ReplyTemplate
from protocol import letterhead as letterhead_format
from protocol.casefile import LABELS, Casefile, Evidence, EvidenceKind, Note, PassedOn
from protocol.identifiers import STRAND_ID_BYTES, Digest, StrandId
from protocol.keyring import Keyring, StrandSecret
from protocol.letterhead import Absence, Letterhead, Report, Strand
from protocol.sealed_record import BODY_BYTES, RecordKind, open_record, seal_record
from tests.journalist_app.desk_factories import TODAY, World

NAMES = ("Werkstation 1", "Werkstation 2")
NAME = bytes(20)


@dataclass(slots=True)
class TwoDesks:
    """Two workstations of one desk, and a merger that runs on the first."""

    first: Keyring
    second: Keyring
    letterhead: Letterhead

    def merging(self) -> RecordMerger:
        return RecordMerger(self.first, lambda: self.letterhead, lambda: TODAY)

    def merge(
        self,
        kind: RecordKind,
        ours: bytes,
        theirs: bytes,
        *,
        name: bytes = NAME,
        revisions: tuple[int, int] = (2, 2),
    ) -> bytes:
        """Return the content of the merged record, whose revision follows both."""
        after = max(revisions) + 1
        sealed = self.merging().records(
            kind,
            name,
            self.sealed(self.first, kind, ours, revisions[0], name),
            self.sealed(self.second, kind, theirs, revisions[1], name),
            after,
        )
        found = open_record(sealed, kind, name, self.second, self.letterhead.strand_keys)
        assert found.revision == after
        return found.body

    def sealed(
        self, by: Keyring, kind: RecordKind, body: bytes, revision: int = 2, name: bytes = NAME
    ) -> bytes:
        return seal_record(kind, name, revision, body, keyring=by, letterhead=self.letterhead)


@pytest.fixture
def desks(world: World) -> TwoDesks:
    strand = StrandSecret(StrandId(secrets.token_bytes(STRAND_ID_BYTES)), NAMES[1], secrets.token_bytes(32))
    certified = Strand(id=strand.id, name=NAMES[1], verify_key=strand.verify_key, since=date(2020, 1, 1))
    ours = msgspec.structs.replace(world.letterhead.strands[0], name=NAMES[0])
    letterhead = world.letterhead.successor(strands=(ours, certified))
    return TwoDesks(world.keyring, replace(world.keyring, strand=strand), letterhead)


def both(ours: Casefile, theirs: Casefile) -> Casefile:
    return merge_casefiles(ours, theirs, NAMES, TODAY)


def a_note(text: str, day: date = TODAY, strand: str = NAMES[0]) -> Note:
    return Note(day=day, strand=strand, text=text)


# ---- casefiles


def test_notes_of_both_stand_in_the_casefile_by_day(desks: TwoDesks) -> None:
    shared = a_note("shared", TODAY - timedelta(days=3))
    ours = Casefile(notes=(shared, a_note("ours")), labels=("urgent",))
    theirs = Casefile(
        notes=(shared, a_note("theirs", TODAY - timedelta(days=1), NAMES[1])), labels=("embassy",)
    )

    body = desks.merge(RecordKind.CASEFILE, ours.to_bytes(), theirs.to_bytes())

    merged = Casefile.from_bytes(body)
    assert [note.text for note in merged.notes] == ["shared", "theirs", "ours"]
    assert merged.labels == ("embassy", "urgent")


def test_a_choice_that_one_made_stays() -> None:
    merged = both(Casefile(theme="bullying"), Casefile(route="only_talk", reminder=TODAY))

    assert (merged.theme, merged.route, merged.reminder, merged.notes) == ("bullying", "only_talk", TODAY, ())


def test_of_two_choices_theirs_stays_and_a_note_tells_ours() -> None:
    later = TODAY + timedelta(days=9)

    merged = both(
        Casefile(theme="bullying", outcome="advised", reminder=TODAY),
        Casefile(theme="intimidation", outcome="advised", reminder=later),
    )

    assert (merged.theme, merged.outcome, merged.reminder) == ("intimidation", "advised", later)
    (note,) = merged.notes
    assert (note.day, note.strand) == (TODAY, NAMES[0])
    for said in (*NAMES, "bullying → intimidation", f"{TODAY} → {later}"):
        assert said in note.text
    assert "outcome" not in note.text


def test_a_handover_that_both_wrote_stands_there_under_both_names() -> None:
    merged = both(Casefile(handover="call on Monday"), Casefile(handover="wait for the source"))

    assert merged.handover == ("— Werkstation 2:\nwait for the source\n\n— Werkstation 1:\ncall on Monday")


@pytest.mark.parametrize(
    ("ours", "theirs", "kept"),
    [("", "a", "a"), ("a", "", "a"), ("a", "a", "a"), ("a\nb", "a", "a\nb"), ("a", "a\nb", "a\nb")],
)
def test_a_handover_that_says_it_all_stands_there_once(ours: str, theirs: str, kept: str) -> None:
    assert both(Casefile(handover=ours), Casefile(handover=theirs)).handover == kept


def test_a_handover_too_long_for_both_leaves_ours_as_a_note() -> None:
    ours, theirs = "a" * 20_000, "b" * 20_000

    merged = both(Casefile(handover=ours), Casefile(handover=theirs))

    assert merged.handover == theirs
    assert ours in [note.text for note in merged.notes]
    assert Casefile.from_bytes(merged.to_bytes()) == merged


def test_labels_for_which_there_is_no_room_stand_in_a_note() -> None:
    ours = Casefile(labels=tuple(f"a{number:02}" for number in range(LABELS)))
    theirs = Casefile(labels=("b",))

    merged = both(ours, theirs)

    assert merged.labels == ours.labels
    assert merged.notes[-1].text.endswith("\nb")


def test_evidence_of_both_is_kept_and_once() -> None:
    evidence = [
        Evidence(kind=EvidenceKind.PROPOSAL, day=TODAY, entry=Digest(bytes([at]) * 32), body=b"{}")
        for at in range(3)
    ]

    merged = both(
        Casefile(evidence=(evidence[0], evidence[1]), keep_until=TODAY),
        Casefile(evidence=(evidence[0], evidence[2]), keep_until=TODAY + timedelta(days=5), is_spam=True),
    )

    assert merged.evidence == (evidence[0], evidence[2], evidence[1])
    assert merged.keep_until == TODAY + timedelta(days=5)
    assert merged.is_spam


def test_what_both_passed_on_was_passed_on_once_and_never_with_more_consent() -> None:
    proposal, other = Digest(bytes(32)), Digest(bytes([1]) * 32)
    passed = PassedOn(recipient="sg", with_consent=True, made=TODAY, proposal=proposal)

    merged = both(
        Casefile(passed_on=(passed, msgspec.structs.replace(passed, proposal=other))),
        Casefile(
            passed_on=(
                msgspec.structs.replace(
                    passed, with_consent=False, made=TODAY + timedelta(days=1), delivered=TODAY
                ),
            )
        ),
    )

    assert [each.proposal for each in merged.passed_on] == [proposal, other]
    assert merged.passed_on[0] == msgspec.structs.replace(passed, with_consent=False, delivered=TODAY)


def test_facts_for_the_report_are_the_earliest_that_either_knows() -> None:
    merged = both(
        Casefile(first_message=TODAY, came_back=True),
        Casefile(first_message=TODAY - timedelta(days=1), first_answer=TODAY),
    )

    assert (merged.first_message, merged.first_answer) == (TODAY - timedelta(days=1), TODAY)
    assert merged.came_back


def test_a_casefile_with_more_notes_than_fit_says_how_many_are_left_out(desks: TwoDesks) -> None:
    ours = Casefile(notes=tuple(a_note(f"{at:02}" + "é" * 9_999) for at in range(30)))
    theirs = Casefile(notes=tuple(a_note(f"{at:02}" + "ë" * 9_999, strand=NAMES[1]) for at in range(30)))

    body = desks.merge(RecordKind.CASEFILE, ours.to_bytes(), theirs.to_bytes())

    merged = Casefile.from_bytes(body)
    left_out = 60 - (len(merged.notes) - 1)
    assert left_out > 0
    assert merged.notes[-1].text.endswith(f": {left_out}")
    assert merged.notes[-2].text.startswith("29")


def test_a_sync_goes_on_though_what_is_kept_as_evidence_does_not_fit(desks: TwoDesks) -> None:
    def heavy(at: int) -> Casefile:
        body = b"x" * (BODY_BYTES // 2)
        kept = Evidence(kind=EvidenceKind.ANSWER, day=TODAY, entry=Digest(bytes([at]) * 32), body=body)
        return Casefile(evidence=(kept,))

    body = desks.merge(RecordKind.CASEFILE, heavy(1).to_bytes(), heavy(2).to_bytes())

    assert Casefile.from_bytes(body) == heavy(2)


# ---- other records


def a_template(name: str, text: str, language: str = "nl") -> ReplyTemplate:
    return msgspec.convert({"language": language, "name": name, "text": text}, type=ReplyTemplate)


def test_templates_of_both_are_there_and_a_name_that_two_gave_tells_whose(desks: TwoDesks) -> None:
    ours = [a_template("Hallo", "ours"), a_template("Same", "same"), a_template("New", "new", "en")]
    theirs = [a_template("Hallo", "theirs"), a_template("Same", "same")]

    body = desks.merge(
        RecordKind.TEMPLATES,
        reply_templates.templates_to_bytes(ours),
        reply_templates.templates_to_bytes(theirs),
    )

    assert [(each.language, each.name, each.text) for each in reply_templates.templates_from_bytes(body)] == [
        ("nl", "Hallo", "theirs"),
        ("nl", "Same", "same"),
        ("nl", "Hallo (Werkstation 1)", "ours"),
        ("en", "New", "new"),
    ]


def test_a_template_with_a_long_name_still_tells_whose_it_is(desks: TwoDesks) -> None:
    name = "x" * reply_templates.NAME_CHARS

    body = desks.merge(
        RecordKind.TEMPLATES,
        reply_templates.templates_to_bytes([a_template(name, "ours")]),
        reply_templates.templates_to_bytes([a_template(name, "theirs")]),
    )

    found = reply_templates.templates_from_bytes(body)[1].name
    assert len(found) == reply_templates.NAME_CHARS
    assert found.endswith("x (Werkstation 1)")


def test_words_for_a_report_that_both_wrote_are_both_there(desks: TwoDesks) -> None:
    ours = msgspec.json.encode({"nl": "van ons", "en": "o" * 20_000})
    theirs = msgspec.json.encode({"nl": "van hen", "en": "t" * 20_000})

    body = desks.merge(RecordKind.COUNTS, ours, theirs, name=b"report-words-2026")

    words = msgspec.json.decode(body)
    assert words["nl"] == "— Werkstation 2:\nvan hen\n\n— Werkstation 1:\nvan ons"
    assert words["en"] == "t" * 20_000


@pytest.mark.parametrize("kind", [RecordKind.COUNTS, RecordKind.SETTINGS, RecordKind.PASSED_ON])
def test_a_year_that_was_frozen_at_the_server_stays_as_it_was_frozen(
    desks: TwoDesks, kind: RecordKind
) -> None:
    assert desks.merge(kind, b"ours", b"theirs", name=b"report-2026") == b"theirs"


# ---- what does not open


@pytest.mark.parametrize(
    ("kind", "damaged", "name"),
    [
        (RecordKind.CASEFILE, b"{}x", NAME),
        (RecordKind.TEMPLATES, b"[7]", b"replies"),
        (RecordKind.COUNTS, b'{"nl":"x"}', b"report-words-2026"),
        (RecordKind.COUNTS, b"\xff", b"report-words-2026"),
    ],
)
def test_of_two_records_of_which_one_cannot_be_read_the_other_is_it(
    desks: TwoDesks, kind: RecordKind, damaged: bytes, name: bytes
) -> None:
    sound = {
        RecordKind.CASEFILE: Casefile(theme="bullying").to_bytes(),
        RecordKind.TEMPLATES: reply_templates.templates_to_bytes([a_template("Hallo", "x")]),
        RecordKind.COUNTS: msgspec.json.encode({"nl": "a", "en": "b"}),
    }[kind]

    assert desks.merge(kind, sound, damaged, name=name) == sound
    assert desks.merge(kind, damaged, sound, name=name) == sound


def test_a_record_that_no_workstation_signed_is_not_merged(desks: TwoDesks) -> None:
    stranger = replace(
        desks.second, strand=replace(desks.second.strand, id=StrandId(secrets.token_bytes(STRAND_ID_BYTES)))
    )
    ours = Casefile(theme="bullying").to_bytes()
    forged = desks.sealed(stranger, RecordKind.CASEFILE, Casefile(theme="intimidation").to_bytes())

    sealed = desks.merging().records(
        RecordKind.CASEFILE, NAME, desks.sealed(desks.first, RecordKind.CASEFILE, ours), forged, 3
    )

    found = open_record(sealed, RecordKind.CASEFILE, NAME, desks.first, desks.letterhead.strand_keys)
    assert (found.revision, found.body) == (3, ours)


def test_an_older_record_under_a_newer_number_is_not_merged(desks: TwoDesks) -> None:
    """The revision in the store is not signed: an attacker at the server could send an old record as new."""
    ours, older = Casefile(theme="bullying"), Casefile(theme="intimidation")

    sealed = desks.merging().records(
        RecordKind.CASEFILE,
        NAME,
        desks.sealed(desks.first, RecordKind.CASEFILE, ours.to_bytes(), 2),
        desks.sealed(desks.second, RecordKind.CASEFILE, older.to_bytes(), 1),
        8,  # after a seventh, as the server called it
    )

    found = open_record(sealed, RecordKind.CASEFILE, NAME, desks.first, desks.letterhead.strand_keys)
    assert Casefile.from_bytes(found.body) == ours


@pytest.mark.parametrize("kind", ["casefile", "a kind of a later version"])
def test_where_neither_opens_theirs_stays_for_the_page_to_call_unsound(desks: TwoDesks, kind: str) -> None:
    assert desks.merging().records(kind, NAME, b"damaged", b"damaged too", 3) == b"damaged too"


# ---- letterheads


def test_calendars_that_two_changed_are_one_that_the_desk_signed(desks: TwoDesks) -> None:
    base = desks.letterhead
    ours = base.successor(closed_days=(date(2026, 12, 25),))
    theirs = base.successor(answer_working_days=3)

    serial, body, signature = desks.merging().letterheads(*(each.to_bytes() for each in (base, ours, theirs)))

    found = letterhead_format.verify_letterhead(
        body, signature, desks.first.fingerprint, at_least_serial=serial
    )
    assert serial == theirs.serial + 1
    assert (found.closed_days, found.answer_working_days) == (ours.closed_days, 3)


def test_calendars_that_make_no_sense_together_leave_theirs(desks: TwoDesks) -> None:
    base = desks.letterhead
    days = [TODAY + timedelta(days=number) for number in range(380)]
    closed = tuple(day for day in days if day.weekday() == 0)
    ours = base.successor(working_days=(0,), issued=TODAY)
    theirs = base.successor(closed_days=closed, issued=TODAY)

    serial, body, signature = desks.merging().letterheads(*(each.to_bytes() for each in (base, ours, theirs)))

    found = letterhead_format.verify_letterhead(
        body, signature, desks.first.fingerprint, at_least_serial=serial
    )
    assert (found.working_days, found.closed_days) == (base.working_days, closed)


def test_a_report_that_two_published_is_the_one_that_stands_at_the_server(desks: TwoDesks) -> None:
    base = desks.letterhead
    ours, theirs = (
        base.successor(
            reports=(Report(title="report-2025-nl.pdf", published=TODAY, sha256=bytes([at]) * 32),)
        )
        for at in range(2)
    )

    _, body, _ = desks.merging().letterheads(*(each.to_bytes() for each in (base, ours, theirs)))

    assert Letterhead.from_bytes(body).reports == theirs.reports


def test_an_absence_that_two_wrote_stands_there_once(desks: TwoDesks) -> None:
    base = desks.letterhead
    absence = Absence(since=TODAY, until=TODAY + timedelta(days=7))
    ours, theirs = base.successor(absences=(absence,)), base.successor(absences=(absence,))

    _, body, _ = desks.merging().letterheads(*(each.to_bytes() for each in (base, ours, theirs)))

    assert Letterhead.from_bytes(body).absences == (absence,)
