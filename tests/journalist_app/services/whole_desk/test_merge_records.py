"""Received records are verified before use, and a merge loses nothing that either workstation wrote."""

import secrets
from dataclasses import dataclass, replace
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import age, signed_lines
from crypto.canonical_json import encode_json
from crypto.errors import TooLongError
from journalist_app.desk.casefile import LABELS, Casefile, Evidence, EvidenceKind, Note, PassedOn
from journalist_app.services.records import reply_templates
from journalist_app.services.records.reply_templates import ReplyTemplate
from journalist_app.services.whole_desk import merge_records
from journalist_app.services.whole_desk.merge_records import RecordMerger, merge_bodies, merge_casefiles
from protocol import letterhead as letterhead_format
from protocol.identifiers import STRAND_ID_BYTES, Digest, StrandId
from protocol.keyring import Keyring, StrandSecret
from protocol.letterhead import Absence, Letterhead, Report, Strand
from protocol.sealed_record import (
    BODY_BYTES,
    OpenedRecord,
    RecordKind,
    open_record,
    record_digest,
    seal_record,
)
from store.sync_findings import FindingKind
from sync.endpoint import RecordFaultError
from tests.journalist_app.casefile_strategy import casefiles
from tests.journalist_app.desk_factories import TODAY, World
from tests.planted import finds_the_fault

NAMES = ("Werkstation 1", "Werkstation 2")
NAME = bytes(20)
KIND = RecordKind.CASEFILE


@dataclass(slots=True)
class TwoDesks:
    """Two workstations of one desk, and the code that merges records at the first one."""

    first: Keyring
    second: Keyring
    letterhead: Letterhead

    def merging(self) -> RecordMerger:
        return RecordMerger(self.first, lambda: self.letterhead, lambda: TODAY)

    def sealed(
        self,
        by: Keyring,
        body: bytes,
        *after: bytes,
        kind: RecordKind = KIND,
        name: bytes = NAME,
        revision: int = 2,
    ) -> bytes:
        """Encrypt and sign a revision that replaces the revisions `after`, or a revision that no one here
        has.
        """
        made_from = [(each, self.opened(each)) for each in after]
        before = (b"before %d" % revision, OpenedRecord(revision - 1, b"", by.strand.id))
        return seal_record(kind, name, body, *(made_from or [before]), keyring=by, letterhead=self.letterhead)

    def opened(self, sealed: bytes, kind: RecordKind = KIND, name: bytes = NAME) -> OpenedRecord:
        return open_record(sealed, kind, name, self.second, self.letterhead.strand_keys)

    def fault(self, theirs: bytes, ours: bytes | None = None, kind: str = KIND) -> FindingKind | None:
        """Require that a received record is not applied, and return the fault that the adviser sees."""
        with pytest.raises(RecordFaultError) as caught:
            self.merging().records(kind, NAME, ours, theirs)
        return caught.value.finding


@pytest.fixture
def desks(world: World) -> TwoDesks:
    strand = StrandSecret(StrandId(secrets.token_bytes(STRAND_ID_BYTES)), NAMES[1], secrets.token_bytes(32))
    certified = Strand(id=strand.id, name=NAMES[1], verify_key=strand.verify_key, since=date(2020, 1, 1))
    ours = msgspec.structs.replace(world.letterhead.strands[0], name=NAMES[0])
    letterhead = world.letterhead.successor(strands=(ours, certified))
    return TwoDesks(world.keyring, replace(world.keyring, strand=strand), letterhead)


def both(one: Casefile, other: Casefile) -> Casefile:
    """Merge two casefiles in both orders, check that the results are equal, and return the result."""
    merged = merge_casefiles(one, other, TODAY)
    assert merged == merge_casefiles(other, one, TODAY)
    return merged


def a_note(text: str, day: date = TODAY, strand: str = NAMES[0]) -> Note:
    return Note(day=day, strand=strand, text=text)


def said(casefile: Casefile) -> list[str]:
    return [note.text for note in casefile.notes]


# ---- replace, merge, or nothing


def test_a_record_that_contains_ours_replaces_ours(desks: TwoDesks) -> None:
    ours = desks.sealed(desks.first, Casefile(theme="bullying").to_bytes())
    theirs = desks.sealed(desks.second, Casefile(labels=("x",)).to_bytes(), ours, revision=3)

    revised = desks.merging().records(KIND, NAME, ours, theirs)

    assert revised is not None
    assert (revised.sealed, revised.revision, revised.is_dropped) == (theirs, 3, False)


def test_a_record_that_ours_contains_changes_nothing(desks: TwoDesks) -> None:
    theirs = desks.sealed(desks.second, Casefile(labels=("x",)).to_bytes())
    ours = desks.sealed(desks.first, Casefile(theme="bullying").to_bytes(), theirs, revision=3)

    assert desks.merging().records(KIND, NAME, ours, theirs) is None


def test_the_first_record_is_taken_as_it_is(desks: TwoDesks) -> None:
    theirs = desks.sealed(desks.second, Casefile(labels=("x",)).to_bytes())

    revised = desks.merging().records(KIND, NAME, None, theirs)

    assert revised is not None
    assert revised.sealed == theirs


def test_two_records_that_do_not_contain_each_other_are_merged(desks: TwoDesks) -> None:
    ours = desks.sealed(desks.first, Casefile(notes=(a_note("ours"),)).to_bytes(), revision=7)
    theirs = desks.sealed(desks.second, Casefile(notes=(a_note("theirs"),)).to_bytes(), revision=4)

    revised = desks.merging().records(KIND, NAME, ours, theirs)

    assert revised is not None
    merged = desks.opened(revised.sealed)
    assert (merged.revision, revised.revision) == (8, 8)
    assert {record_digest(ours), record_digest(theirs)} < set(merged.past)
    assert said(Casefile.from_bytes(merged.body)) == ["ours", "theirs"]
    assert desks.merging().records(KIND, NAME, revised.sealed, theirs) is None


def test_a_retired_workstations_record_is_merged_and_never_replaces(desks: TwoDesks) -> None:
    ours = desks.sealed(desks.first, Casefile(notes=(a_note("ours"),)).to_bytes())
    theirs = desks.sealed(desks.second, b"", ours, revision=3)
    first, second = desks.letterhead.strands
    retired = msgspec.structs.replace(second, until=TODAY - timedelta(days=1))
    desks.letterhead = desks.letterhead.successor(strands=(first, retired))

    revised = desks.merging().records(KIND, NAME, ours, theirs)

    assert revised is not None
    assert not revised.is_dropped
    assert said(Casefile.from_bytes(desks.opened(revised.sealed).body)) == ["ours"]


def test_the_highest_revision_of_a_retired_workstation_is_refused(desks: TwoDesks) -> None:
    """Attack: the thief of its key signs a revision after which no workstation can write the record."""
    ours = desks.sealed(desks.first, Casefile(theme="bullying").to_bytes())
    theirs = desks.sealed(desks.second, Casefile(labels=("x",)).to_bytes(), revision=2**63 - 1)
    others = desks.sealed(desks.second, Casefile(labels=("x",)).to_bytes(), revision=2**32)
    retired = msgspec.structs.replace(desks.letterhead.strands[1], until=TODAY - timedelta(days=1))
    strands = (desks.letterhead.strands[0], retired)
    desks.letterhead = desks.letterhead.successor(strands=strands)

    assert desks.fault(theirs, ours) is FindingKind.FORGED_RECORD
    assert desks.fault(theirs) is FindingKind.FORGED_RECORD
    merged = desks.merging().records(KIND, NAME, ours, others)
    assert merged is not None
    assert merged.revision == 2**32 + 1


def test_a_record_on_a_workstations_last_day_still_replaces(desks: TwoDesks) -> None:
    ours = desks.sealed(desks.first, Casefile().to_bytes())
    theirs = desks.sealed(desks.second, b"", ours, revision=3)
    first, second = desks.letterhead.strands
    last_day = msgspec.structs.replace(second, until=TODAY)
    desks.letterhead = desks.letterhead.successor(strands=(first, last_day))

    revised = desks.merging().records(KIND, NAME, ours, theirs)

    assert revised is not None
    assert (revised.sealed, revised.is_dropped) == (theirs, True)


def test_a_record_that_was_dropped_at_the_same_time_stays(desks: TwoDesks) -> None:
    ours = desks.sealed(desks.first, Casefile(notes=(a_note("ours"),)).to_bytes())
    for one, other in ((ours, desks.sealed(desks.second, b"")), (desks.sealed(desks.first, b""), ours)):
        revised = desks.merging().records(KIND, NAME, one, other)
        assert revised is not None
        assert not revised.is_dropped
        assert said(Casefile.from_bytes(desks.opened(revised.sealed).body)) == ["ours"]


# ---- a retired workstation, whose keyring someone may have


def retired(desks: TwoDesks) -> TwoDesks:
    first, second = desks.letterhead.strands
    second = msgspec.structs.replace(second, until=TODAY - timedelta(days=1))
    return replace(desks, letterhead=desks.letterhead.successor(strands=(first, second)))


def merged(desks: TwoDesks, ours: bytes, theirs: bytes, kind: RecordKind = KIND, name: bytes = NAME) -> bytes:
    mine = desks.sealed(desks.first, ours, kind=kind, name=name)
    received = desks.sealed(desks.second, theirs, kind=kind, name=name, revision=99)
    record = desks.merging().records(kind, name, mine, received)
    assert record is not None
    return desks.opened(record.sealed, kind, name).body


def evidence(entry: int, signature: bytes) -> Evidence:
    return Evidence(
        kind=EvidenceKind.ANSWER, day=TODAY, entry=Digest(bytes([entry]) * 32), body=b"x", signature=signature
    )


def passed_on(proposal: int, recipient: str, *, with_consent: bool) -> PassedOn:
    return PassedOn(
        recipient=recipient, with_consent=with_consent, made=TODAY, proposal=Digest(bytes([proposal]) * 32)
    )


def test_a_retired_workstation_replaces_no_evidence_and_no_value(desks: TwoDesks) -> None:
    """Attack: a merge keeps one of two values, and a thief chooses theirs so that it is the one."""
    ours = Casefile(
        theme="m",
        evidence=(evidence(1, b"\x55" * 64),),
        passed_on=(passed_on(1, "sg", with_consent=True),),
        first_message=TODAY,
    )
    old = date(2001, 1, 1)
    theirs = Casefile(
        **dict.fromkeys(("theme", "route", "region", "outcome"), "a"),
        reminder=old,
        is_spam=True,
        came_back=True,
        keep_until=date(2099, 1, 1),
        first_message=old,
        first_answer=old,
        evidence=(evidence(1, b"\xff" * 64),),
        passed_on=(passed_on(1, "complaints", with_consent=False),),
    )
    assert Casefile.from_bytes(merged(retired(desks), ours.to_bytes(), theirs.to_bytes())) == ours
    with finds_the_fault():
        assert Casefile.from_bytes(merged(desks, ours.to_bytes(), theirs.to_bytes())) == ours


def test_a_retired_workstation_drops_no_record(desks: TwoDesks) -> None:
    assert merged(retired(desks), Casefile().to_bytes(), b"") == Casefile().to_bytes()


def test_a_retired_workstation_adds_texts_alone(desks: TwoDesks) -> None:
    """Attack: evidence and a delivery that come first keep the desk from recording its own."""
    ours = Casefile(notes=(a_note("ours"),), evidence=(evidence(1, b"1" * 64),), theme="m")
    texts = Casefile(notes=(a_note("theirs"),), labels=("label",), handover="handover")
    theirs = msgspec.structs.replace(
        texts, evidence=(evidence(2, b"2" * 64),), passed_on=(passed_on(2, "sg", with_consent=True),)
    )
    found = Casefile.from_bytes(merged(retired(desks), ours.to_bytes(), theirs.to_bytes()))
    assert found == both(ours, texts)


def test_what_a_retired_workstation_signed_adds_texts_alone_when_it_came_first(desks: TwoDesks) -> None:
    """Attack: a workstation without a casefile takes the thief's, before another one sends the genuine."""
    desks = retired(desks)
    ours = desks.sealed(
        desks.second,
        Casefile(notes=(a_note("thief"),), theme="a", evidence=(evidence(1, b"\xff" * 64),)).to_bytes(),
    )
    genuine = Casefile(notes=(a_note("desk"),), theme="m", evidence=(evidence(1, b"1" * 64),))
    found = desks.merging().records(KIND, NAME, ours, desks.sealed(desks.first, genuine.to_bytes()))

    assert found is not None
    assert Casefile.from_bytes(desks.opened(found.sealed).body) == both(
        genuine, Casefile(notes=(a_note("thief"),))
    )


@pytest.mark.parametrize("has_ours", [True, False])
def test_published_counts_are_only_those_that_the_letterhead_names(
    desks: TwoDesks, *, has_ours: bool
) -> None:
    """Attack: with the key of a retired workstation, someone publishes a year or changes its counts."""
    how = RecordKind.COUNTS, b"report-2025"
    genuine, forged = (
        desks.sealed(desks.second, body, kind=how[0], name=how[1]) for body in (b"[9]", b"[1]")
    )
    ours = forged if has_ours else None
    for theirs in (genuine, forged):  # the letterhead names neither
        with pytest.raises(RecordFaultError) as caught:
            desks.merging().records(*how, ours, theirs)
        assert caught.value.finding is FindingKind.FORGED_RECORD
    named = Report(title="report-2025-counts", published=TODAY, sha256=record_digest(genuine))
    desks.letterhead = desks.letterhead.successor(reports=(named,))
    found = desks.merging().records(*how, ours, genuine)
    assert found is not None
    assert found.sealed == genuine
    with pytest.raises(RecordFaultError):
        desks.merging().records(*how, genuine, forged)


@pytest.mark.parametrize(
    ("kind", "name", "ours", "theirs"),
    [
        (
            RecordKind.TEMPLATES,
            b"replies",
            *(
                reply_templates.templates_to_bytes([ReplyTemplate("en", "Received", text)])
                for text in ("We have read this.", "Call 06-12345678.")
            ),
        ),
        (RecordKind.COUNTS, b"report-words-2025", *(encode_json({"nl": t}) for t in ("a", "b"))),
        (KIND, NAME, b"", Casefile(notes=(a_note("of a dropped casefile"),)).to_bytes()),
    ],
    ids=["templates", "texts of a report", "a casefile that was dropped"],
)
def test_a_retired_workstation_changes_no_other_record(
    desks: TwoDesks, kind: RecordKind, name: bytes, ours: bytes, theirs: bytes
) -> None:
    """Attack: with its key, someone writes what the desk would send to sources, or publish."""
    assert merged(retired(desks), ours, theirs, kind, name) == ours


def test_a_retired_workstation_fills_a_casefile_to_half_and_no_further(desks: TwoDesks) -> None:
    """Attack: a full casefile has no room for evidence, so nothing can be passed on."""
    desks = retired(desks)
    ours = Casefile(notes=(a_note("ours"),)).to_bytes()

    def full(size: int) -> bytes:
        return Casefile(notes=tuple(a_note(f"{at}".rjust(9_900)) for at in range(size // 10_000))).to_bytes()

    assert len(merged(desks, ours, full(BODY_BYTES // 2 - 20_000))) > BODY_BYTES // 2 - 40_000
    theirs = desks.sealed(desks.second, full(BODY_BYTES // 2 + 20_000))
    assert desks.fault(theirs, desks.sealed(desks.first, ours)) is FindingKind.LONG_RECORD
    assert desks.fault(theirs) is FindingKind.LONG_RECORD
    assert merged(desks, full(BODY_BYTES - 20_000), full(BODY_BYTES // 2)) == full(BODY_BYTES - 20_000)


# ---- what is not applied


def test_forged_records_are_not_applied(desks: TwoDesks) -> None:
    stranger = replace(
        desks.second,
        strand=msgspec.structs.replace(
            desks.second.strand, id=StrandId(secrets.token_bytes(STRAND_ID_BYTES))
        ),
    )
    body = Casefile(theme="bullying").to_bytes()
    ours = desks.sealed(desks.first, body)
    changed = bytearray(ours)
    changed[-1] ^= 1
    for forged in (
        secrets.token_bytes(3000),
        b"",
        bytes(changed),
        desks.sealed(stranger, body),
        desks.sealed(desks.second, body, name=bytes([1]) * 20),
        desks.sealed(desks.second, body, kind=RecordKind.TEMPLATES),
    ):
        assert desks.fault(forged, ours) is FindingKind.FORGED_RECORD
        assert desks.fault(forged) is FindingKind.FORGED_RECORD


def test_a_record_of_an_epoch_that_this_keyring_lacks_waits(desks: TwoDesks) -> None:
    theirs = desks.sealed(desks.second, Casefile().to_bytes())
    lacking = replace(desks.first, epochs={2: desks.first.epochs[1]})
    elsewhere = TwoDesks(replace(lacking, epochs={}), desks.second, desks.letterhead)

    assert elsewhere.fault(theirs) is None


def test_a_record_of_a_later_version_waits(desks: TwoDesks) -> None:
    ours = desks.sealed(desks.first, Casefile().to_bytes())
    later = desks.sealed(desks.second, b'{"version":2}', ours, revision=3)

    assert desks.fault(later, ours) is None
    assert desks.fault(later, ours, "a kind of a later version") is None
    assert desks.fault(ours, later) is None  # this workstation had a later version before


def test_a_record_in_a_later_format_waits(desks: TwoDesks) -> None:
    later = signed_lines.write_signed_lines(b"steunpunt-record/2", b"{}", desks.second.strand.seed)
    sealed = age.encrypt(later, [desks.letterhead.current_epoch[1]])
    assert desks.fault(sealed.header + sealed.payload) is None


def test_texts_for_a_report_that_do_not_fit_together_are_too_long() -> None:
    one, other = (encode_json({"nl": each * 15_000}) for each in "ab")
    with pytest.raises(TooLongError):
        merge_bodies(RecordKind.COUNTS, b"report-words-2026", one, other, TODAY)


def test_our_damaged_record_is_replaced_by_a_sound_one(desks: TwoDesks) -> None:
    theirs = desks.sealed(desks.second, Casefile(labels=("x",)).to_bytes())

    revised = desks.merging().records(KIND, NAME, b"damaged", theirs)

    assert revised is not None
    assert revised.sealed == theirs
    assert desks.merging().past(KIND, NAME, b"damaged") is None


def test_two_records_that_do_not_fit_into_one_are_both_kept(desks: TwoDesks) -> None:
    def full(at: int) -> bytes:
        body = b"x" * (BODY_BYTES // 2)
        kept = Evidence(kind=EvidenceKind.ANSWER, day=TODAY, entry=Digest(bytes([at]) * 32), body=body)
        return Casefile(evidence=(kept,)).to_bytes()

    ours, theirs = desks.sealed(desks.first, full(1)), desks.sealed(desks.second, full(2))

    assert desks.fault(theirs, ours) is FindingKind.LONG_RECORD


# ---- casefiles


def test_notes_of_both_are_in_the_casefile_by_day_and_in_their_order() -> None:
    shared = a_note("shared", TODAY - timedelta(days=3))
    one = Casefile(notes=(shared, a_note("z first"), a_note("a second")), labels=("urgent",))
    other = Casefile(
        notes=(shared, a_note("theirs", TODAY - timedelta(days=1), NAMES[1])), labels=("embassy",)
    )

    merged = both(one, other)

    assert said(merged) == ["shared", "theirs", "z first", "a second"]
    assert merged.labels == ("embassy", "urgent")


def test_a_casefile_that_has_all_notes_keeps_their_order() -> None:
    one = Casefile(notes=(a_note("z"), a_note("b"), a_note("a")))

    assert said(both(one, Casefile(notes=(a_note("a"),), theme="bullying"))) == ["z", "b", "a"]


def test_a_choice_that_one_made_stays() -> None:
    merged = both(Casefile(theme="bullying"), Casefile(route="only_talk", reminder=TODAY))

    assert (merged.theme, merged.route, merged.reminder, merged.notes) == ("bullying", "only_talk", TODAY, ())


def test_of_two_choices_one_stays_and_a_note_names_the_other() -> None:
    later = TODAY + timedelta(days=9)

    merged = both(
        Casefile(theme="bullying", outcome="advised", reminder=TODAY),
        Casefile(theme="intimidation", outcome="advised", reminder=later),
    )

    assert (merged.theme, merged.outcome, merged.reminder) == ("bullying", "advised", TODAY)
    assert [note.text.split("\n")[1] for note in merged.notes] == [
        "thema / theme: intimidation",
        f"herinnering / reminder: {later}",
    ]
    assert both(merged, Casefile(theme="intimidation")) == merged


def test_a_handover_that_both_wrote_contains_both() -> None:
    merged = both(Casefile(handover="wait for the source"), Casefile(handover="call on Monday"))

    assert merged.handover == "call on Monday\n\n——\n\nwait for the source"


@pytest.mark.parametrize(("one", "other", "kept"), [("", "a", "a"), ("a", "a", "a"), ("a\nb", "a", "a\nb")])
def test_a_handover_that_contains_the_other_is_kept_alone(one: str, other: str, kept: str) -> None:
    assert both(Casefile(handover=one), Casefile(handover=other)).handover == kept


def test_a_handover_too_long_for_both_leaves_one_as_a_note() -> None:
    one, other = "a" * 20_000, "b" * 20_000

    merged = both(Casefile(handover=one), Casefile(handover=other))

    assert (merged.handover, said(merged)) == (one, [other])
    assert Casefile.from_bytes(merged.to_bytes()) == merged
    assert both(merged, Casefile(handover=other)) == merged


def test_labels_for_which_there_is_no_room_are_in_notes() -> None:
    one = Casefile(labels=tuple(f"a{number:02}" for number in range(LABELS)))

    merged = both(one, Casefile(labels=("b",)))

    assert merged.labels == one.labels
    assert [text.rpartition(" ")[2] for text in said(merged)] == ["b"]


def test_evidence_of_both_is_kept_and_once() -> None:
    evidence = [
        Evidence(kind=EvidenceKind.PROPOSAL, day=TODAY, entry=Digest(bytes([at]) * 32), body=b"{}")
        for at in range(3)
    ]
    signed = msgspec.structs.replace(evidence[0], signature=b"signature")

    merged = both(
        Casefile(evidence=(evidence[1], evidence[0]), keep_until=TODAY),
        Casefile(evidence=(signed, evidence[2]), keep_until=TODAY + timedelta(days=5), is_spam=True),
    )

    assert merged.evidence == (signed, evidence[1], evidence[2])
    assert merged.keep_until == TODAY + timedelta(days=5)
    assert merged.is_spam


def test_what_both_passed_on_was_passed_on_once_and_never_with_more_consent() -> None:
    proposal, other = Digest(bytes(32)), Digest(bytes([1]) * 32)
    passed = PassedOn(recipient="sg", with_consent=True, made=TODAY, proposal=proposal)
    without = msgspec.structs.replace(
        passed, with_consent=False, made=TODAY + timedelta(days=1), delivered=TODAY
    )

    merged = both(
        Casefile(passed_on=(passed, msgspec.structs.replace(passed, proposal=other))),
        Casefile(passed_on=(without,)),
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


# ---- other records


def a_template(name: str, text: str, language: str = "nl") -> ReplyTemplate:
    return msgspec.convert({"language": language, "name": name, "text": text}, type=ReplyTemplate)


def merged_templates(*lists: list[ReplyTemplate]) -> list[tuple[str, str]]:
    bodies = [reply_templates.templates_to_bytes(each) for each in lists]
    body = merge_bodies(RecordKind.TEMPLATES, b"replies", *bodies, TODAY)
    return [(each.name, each.text) for each in reply_templates.templates_from_bytes(body)]


def test_templates_of_both_are_kept_though_they_have_one_name() -> None:
    ours = [a_template("Hallo", "ours"), a_template("Same", "same"), a_template("New", "new", "en")]
    theirs = [a_template("Hallo", "theirs"), a_template("Same", "same")]

    assert merged_templates(ours, theirs) == [
        ("Hallo", "ours"),
        ("Hallo", "theirs"),
        ("Same", "same"),
        ("New", "new"),
    ]


def test_texts_for_a_report_that_both_wrote_are_both_kept() -> None:
    ours = msgspec.json.encode({"nl": "van ons", "en": "o"})
    theirs = msgspec.json.encode({"nl": "van hen", "en": "o"})

    body = merge_bodies(RecordKind.COUNTS, b"report-words-2026", ours, theirs, TODAY)

    assert msgspec.json.decode(body) == {"nl": "van hen\n\n——\n\nvan ons", "en": "o"}


def test_of_two_frozen_years_the_one_published_first_stays() -> None:
    first = b'{"version":1,"year":2026,"published":"2027-01-02"}'
    later = b'{"version":1,"year":2026,"published":"2027-01-09"}'

    for one, other in ((first, later), (later, first)):
        assert merge_bodies(RecordKind.COUNTS, b"report-2026", one, other, TODAY) == first


# ---- commutative and idempotent, for every kind

DAYS = st.dates(date(2026, 1, 1), date(2026, 1, 4))
NOTES = st.builds(
    Note,
    day=DAYS,
    strand=st.sampled_from((*NAMES, "——")),
    text=st.sampled_from(("one", "two", "three", "four")),
)
CASEFILES = casefiles(
    texts=st.sampled_from(("", "a", "b")),
    handovers=st.sampled_from(("", "a", "b", "a b", "c\n\n——\n\nd", "x" * 12_000, "y" * 12_000)),
    days=DAYS,
    digests=st.integers(0, 3).map(lambda at: bytes([at]) * 32),
    parts=st.sampled_from((b"", b"{}", b"x")),
    notes=st.lists(NOTES, max_size=5),
    labels=st.lists(st.integers(0, 99).map(str), max_size=LABELS, unique=True),
)
TEMPLATES = st.lists(
    st.builds(a_template, st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from(("nl", "en"))),
    max_size=6,
)
WORDS = st.tuples(st.sampled_from(("", "a", "b", "a b")), st.sampled_from(("", "c", "d"))).map(
    lambda each: msgspec.json.encode({"nl": each[0], "en": each[1]})
)
BODIES = {
    **{(kind, NAME): st.binary() for kind in RecordKind},
    (RecordKind.CASEFILE, NAME): CASEFILES.map(Casefile.to_bytes),
    (RecordKind.TEMPLATES, NAME): TEMPLATES.map(reply_templates.templates_to_bytes),
    (RecordKind.COUNTS, b"report-words-2026"): WORDS,
}


@pytest.mark.parametrize(("kind", "name"), BODIES, ids=lambda each: str(each)[:20])
@given(data=st.data())
def test_a_merge_is_commutative_and_merging_again_adds_nothing(
    kind: RecordKind, name: bytes, data: st.DataObject
) -> None:
    bodies = BODIES[kind, name] | st.just(b"")
    one, other = data.draw(bodies), data.draw(bodies)

    def merge(*of: bytes) -> bytes:
        return merge_bodies(kind, name, *of, TODAY)

    merged = merge(one, other)
    assert merged == merge(other, one)
    assert merged == merge(merged, one) == merge(other, merged) == merge(merged, merged)
    if kind is KIND and one and other:
        notes = set(Casefile.from_bytes(one).notes) | set(Casefile.from_bytes(other).notes)
        assert notes <= set(Casefile.from_bytes(merged).notes)


def test_a_planted_fault_is_found_a_merge_keeps_the_notes_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_records, "_merge_notes", lambda one, _other: one)
    with finds_the_fault():
        test_notes_of_both_are_in_the_casefile_by_day_and_in_their_order()


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
