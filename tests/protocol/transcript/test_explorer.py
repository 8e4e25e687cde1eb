"""Promises about mailboxes hold for every order of a few actions, and the search finds planted faults.

`make prove` searches further (`tests/proofs/test_transcripts.py`).
"""

import copy
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from protocol.entry import SignedEntry
from protocol.heads import Heads
from protocol.identifiers import Address, Digest, StrandId
from protocol.strand import StrandKey
from protocol.transcript import check, closing, ending, waiting
from protocol.transcript.check import FaultKind, Transcript
from protocol.transcript.knowledge import Knowledge
from protocol.transcript.proposal_states import Consent, ProposalState, ProposalStatus
from tests.protocol.transcript.explorer import SCENARIOS, ExploredState, Explorer, Limits

pytestmark = pytest.mark.slow  # a minute of searching when coverage is measured

Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_order_of_a_few_actions_breaks_a_promise(name: str) -> None:
    scenario = SCENARIOS[name]
    broken, trace, states = Explorer(scenario.limits, heals=scenario.heals).run(scenario.short)
    assert not broken, "\n".join([broken, *trace])
    assert states > 100


# ---- planted faults: each rule is broken once, and the search must notice


@dataclass(frozen=True)
class Planted:
    """A planted fault (broken rule), the actions with which the search notices it, and the expected
    report.
    """

    plant: Plant
    limits: Limits
    reports: str
    heals: bool = False


def _heads_for(change: Callable[[Transcript, StrandId, Heads, Heads], tuple[Heads, Heads]]) -> Plant:
    real = Transcript.heads_for

    def planted(
        self: Transcript, strand: StrandId, shown: Collection[Digest], remembered: Heads = ()
    ) -> tuple[Heads, Heads]:
        return change(self, strand, *real(self, strand, shown, remembered))

    return lambda patch: patch.setattr(Transcript, "heads_for", planted)


def _verified_is_shown(patch: pytest.MonkeyPatch) -> None:
    real = Transcript.heads_for

    def planted(
        self: Transcript, strand: StrandId, _shown: object, remembered: Heads = ()
    ) -> tuple[Heads, Heads]:
        return real(self, strand, self.authentic.keys(), remembered)

    patch.setattr(Transcript, "heads_for", planted)


def _own_heads_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    real, read = Transcript.heads_for, check.read_transcript

    def planted_read(*what: Any, **how: Any) -> Transcript:  # noqa: ANN401
        return read(*what[:4], **how)  # without the heads that the workstation remembers

    def planted(
        self: Transcript, strand: StrandId, shown: Collection[Digest], _remembered: Heads = ()
    ) -> tuple[Heads, Heads]:
        return real(self, strand, shown)

    patch.setattr(Transcript, "heads_for", planted)
    patch.setattr(check, "read_transcript", planted_read)


def _one_head_of_others(_self: object, strand: StrandId, heads: Heads, unseen: Heads) -> tuple[Heads, Heads]:
    newest = {head.strand: head for head in heads}
    return tuple(head for head in heads if head.strand == strand or newest[head.strand] == head), unseen


def _one_own_head(_self: object, strand: StrandId, heads: Heads, unseen: Heads) -> tuple[Heads, Heads]:
    newest = {head.strand: head for head in heads}
    return tuple(head for head in heads if head.strand != strand or newest[head.strand] == head), unseen


def _sources_fork_is_rejected(patch: pytest.MonkeyPatch) -> None:
    real = check._rivals
    patch.setattr(check, "_rivals", lambda *known: dict.fromkeys(real(*known), FaultKind.FORK))


def _passed_on_by_others(patch: pytest.MonkeyPatch) -> None:
    real = Knowledge._learn

    def planted(self: Knowledge, writers: Iterable[Digest], *visited: Any) -> set[Digest]:  # noqa: ANN401
        known = set(writers)
        for entry in reversed(self.order):
            if entry.digest in known:
                known |= {head.digest for head in entry.envelope.heads}
        return real(self, known, *visited)

    patch.setattr(Knowledge, "_learn", planted)


def _unseen_is_covered(patch: pytest.MonkeyPatch) -> None:
    real = Knowledge.__init__

    def planted(
        self: Knowledge, entries: Collection[SignedEntry], retired: Collection[StrandId] = ()
    ) -> None:
        real(self, entries, retired)
        self._entries = {
            digest: replace(entry, envelope=replace(part, heads=(*part.heads, *part.unseen), unseen=()))
            for digest, entry in self._entries.items()
            for part in [entry.envelope]
        }

    patch.setattr(Knowledge, "__init__", planted)


def _names_of_the_retired_count(patch: pytest.MonkeyPatch) -> None:
    real = Knowledge.__init__

    def planted(self: Knowledge, entries: Collection[SignedEntry], retired: Collection[StrandId]) -> None:
        real(self, entries, ())
        self.retired = retired

    patch.setattr(Knowledge, "__init__", planted)


def _what_is_behind_unseen_is_covered(patch: pytest.MonkeyPatch) -> None:
    real = Knowledge._visit

    def planted(self: Knowledge, digests: Iterable[Digest], visited: set[Digest]) -> set[Digest]:
        new = real(self, digests, set()) - visited
        visited |= new
        return new

    patch.setattr(Knowledge, "_visit", planted)


def _earlier_receipts_make_late(patch: pytest.MonkeyPatch) -> None:
    def planted(self: Knowledge, laters: Iterable[Digest], earlier: Digest) -> bool:
        return all(earlier in self.known_to([later]) for later in laters)

    patch.setattr(Knowledge, "all_cover", planted)


def _may_delete(blind: Callable[[Transcript, set[Digest]], Transcript]) -> Plant:
    """Call the real function without a part of the transcript. `blind` gets what the closer had not seen."""
    real = closing.may_delete

    def planted(transcript: Transcript, strands: Mapping[StrandId, StrandKey], today: date) -> bool:
        unseen = {head.digest for entry in closing.last_words(transcript) for head in entry.envelope.unseen}
        return real(blind(transcript, unseen), strands, today)

    return lambda patch: patch.setattr(closing, "may_delete", planted)


def _without_unseen(transcript: Transcript, unseen: set[Digest]) -> Transcript:
    authentic = {key: entry for key, entry in transcript.authentic.items() if key not in unseen}
    return replace(transcript, authentic=authentic)


def _without_missing(transcript: Transcript, _unseen: set[Digest]) -> Transcript:
    knowledge = copy.copy(transcript.knowledge)
    knowledge.named = {key: head for key, head in knowledge.named.items() if key in transcript.authentic}
    return replace(transcript, knowledge=knowledge)


def _closed_until(choose: Callable[[Sequence[date | None]], date | None]) -> Plant:
    def planted(transcript: Transcript) -> date | None:
        return choose([entry.envelope.due for entry in closing.last_words(transcript)])

    return lambda patch: patch.setattr(closing, "closed_until", planted)


def _an_agreement_is_for_good(patch: pytest.MonkeyPatch) -> None:
    def planted(self: Consent, *, is_newest: bool) -> ProposalStatus:
        if any(answer.verdict == "agreed" for answer in self.answers):
            return ProposalStatus.AGREED
        return _REAL_STATUS(self, is_newest=is_newest)

    patch.setattr(Consent, "status", planted)


def _an_older_proposal_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Consent, "status", lambda self, *, is_newest: _REAL_STATUS(self, is_newest=True))  # noqa: ARG005


def _a_void_step_counts(patch: pytest.MonkeyPatch) -> None:
    def planted(self: Consent, *, is_newest: bool) -> ProposalStatus:
        return ProposalStatus.PASSING_ON if self._begun else _REAL_STATUS(self, is_newest=is_newest)

    patch.setattr(Consent, "status", planted)


def _sent_is_confirmed(patch: pytest.MonkeyPatch) -> None:
    def planted(_self: Explorer, world: ExploredState, _name: str, proposed: ProposalState) -> bool:
        return any(
            step not in proposed.void and (step, "ok") in world.server for _, step in world.unconfirmed
        )

    patch.setattr(Explorer, "_is_confirmed", planted)


def _an_entry_id_counts_once(patch: pytest.MonkeyPatch) -> None:
    real = check.read_transcript

    def planted(
        address: Address,
        key: bytes,
        strands: Mapping[StrandId, StrandKey],
        entries: Iterable[SignedEntry],
        remembered: Heads,
        **how: bool,
    ) -> Transcript:
        once = {entry.envelope.entry_id: entry for entry in entries}
        return real(address, key, strands, once.values(), remembered, **how)

    patch.setattr(check, "read_transcript", planted)


_REAL_STATUS = Consent.status
_REAL_WITHDRAWALS = Consent._withdrawals


def _a_removal_withdraws_nothing(patch: pytest.MonkeyPatch) -> None:
    def planted(self: Consent, agreement: Digest, known: set[Digest]) -> set[Digest]:
        return _REAL_WITHDRAWALS(self, agreement, known) - self._facts.removals.keys()

    patch.setattr(Consent, "_withdrawals", planted)


def _an_end_counts_as_the_last_entry_only(patch: pytest.MonkeyPatch) -> None:
    real = ending.end_of

    def planted(transcript: Transcript) -> SignedEntry | None:
        end = real(transcript)
        return end if end is not None and transcript.entries[-1] == end else None

    patch.setattr(ending, "end_of", planted)


def _any_words_answer(patch: pytest.MonkeyPatch) -> None:
    real = waiting.waiting_words

    def planted(transcript: Transcript) -> tuple[SignedEntry, ...]:
        is_answered = any(entry.envelope.strand and entry.envelope.is_words for entry in transcript.entries)
        return () if is_answered else real(transcript)

    patch.setattr(waiting, "waiting_words", planted)


def _earliest(days: Sequence[date | None]) -> date | None:
    return None if None in days else min((day for day in days if day), default=None)


def _any_closing(days: Sequence[date | None]) -> date | None:
    return max((day for day in days if day), default=None)


def _consent(**more: Any) -> Limits:  # noqa: ANN401
    return Limits(is_proposed=True, **{"agreed": 1, "against": 1, "passing_on": (1, 0), **more})


PLANTED: Mapping[str, Planted] = {
    "rule 1: of entries with one id, one counts": Planted(
        _an_entry_id_counts_once, Limits(message=1, hide=1, again=1), "does not count"
    ),
    "rule 2: verified counts as shown": Planted(
        _verified_is_shown, _consent(flip=1), "no one who answered was shown it"
    ),
    "rule 2: nothing is listed as unseen": Planted(
        _heads_for(lambda _self, _strand, heads, _unseen: (heads, ())),
        Limits(message=2, flip=1, closing=(1, 0)),
        "no one who answered was shown it",
    ),
    "rule 2: one head of each other strand": Planted(
        _heads_for(_one_head_of_others), Limits(message=2, hide=1), "is not deleted", heals=True
    ),
    "rule 2: one head of the own strand, and two entries with one number are a fork": Planted(
        _sources_fork_is_rejected, Limits(message=2, hide=1), "fork"
    ),
    "rule 2: what another strand had seen is passed on": Planted(
        _passed_on_by_others, Limits(message=1, read=(1, 0), words=(0, 1), flip=1), "does not wait"
    ),
    "rule 2: what is unseen is covered": Planted(
        _unseen_is_covered, _consent(flip=1, words=(1, 0)), "no one who answered was shown it"
    ),
    "rule 2: what is behind an unseen entry is covered": Planted(
        _what_is_behind_unseen_is_covered,
        Limits(message=3, words=(1, 0), hide=2, keeps_pages=False, undoes=False),
        "no one who answered was shown it",
    ),
    "rule 2: a workstation forgets its own heads": Planted(
        _own_heads_are_forgotten, Limits(words=(2, 0), hide=1, is_one_machine=True), "fork"
    ),
    "rule 2: a retired workstation may know what was written later": Planted(
        lambda patch: patch.setattr(check, "_dated_back", lambda *_: []),
        Limits(message=1, dated_back=1),
        "its writer was retired before",
    ),
    "rule 2: what a retired workstation names takes an agreement back": Planted(
        _names_of_the_retired_count,
        Limits(is_proposed=True, agreed=1, invented=1),
        "the agreement counts as taken back",
    ),
    "rule 2: what a retired workstation names keeps a mailbox from being deleted": Planted(
        _names_of_the_retired_count,
        Limits(message=1, invented=2, keeps_pages=False),
        "the mailbox is not deleted",
        heals=True,
    ),
    "rule 2: two entries of a retired workstation are a fork": Planted(
        lambda patch: patch.setattr(check, "_unconfirmed_rivals", lambda *_: []),
        Limits(receipt=1, rival=1),
        "although no one was shown it",
    ),
    "rule 3: a form ignores what was written since": Planted(
        lambda patch: patch.setattr(check, "heads_after", lambda heads, _newer: heads),
        Limits(message=2),
        "without a hostile operator",
    ),
    "rule 4: what the closing lists as unseen is deleted": Planted(
        _may_delete(_without_unseen),
        Limits(message=2, flip=1, closing=(1, 0)),
        "which no one of the desk was shown",
    ),
    "rule 4: what is missing is deleted": Planted(
        _may_delete(_without_missing),
        Limits(message=2, receipt=1, hide=1, closing=(1, 0)),
        "which the operator hid",
    ),
    "rule 4: the earliest day counts": Planted(
        _closed_until(_earliest), Limits(message=1, closing=(1, 1)), "earlier of two days"
    ),
    "rule 4: one closing among the last words is enough": Planted(
        _closed_until(_any_closing),
        Limits(message=1, words=(0, 1), closing=(1, 0)),
        "which no one who closed was shown",
    ),
    "rule 6: restored words are shown": Planted(
        lambda patch: patch.setattr(check, "_without_content", lambda entry: entry),
        Limits(message=1, removal=1, restore=1),
        "is shown beside its removal",
    ),
    "rule 7: an end counts as the last entry only": Planted(
        _an_end_counts_as_the_last_entry_only,
        Limits(message=1, end=1, words=(1, 0)),
        "the end does not count",
    ),
    "rule 8: earlier receipts make a withdrawal late": Planted(
        _earlier_receipts_make_late, _consent(against=0, removal=1, receipt=1), "was not shown the step"
    ),
    "rule 8: every withdrawal after the step is in time": Planted(
        lambda patch: patch.setattr(Knowledge, "all_cover", lambda _self, laters, _step: not laters),
        _consent(against=0, removal=1),
        "makes it void",
    ),
    "rule 8: an agreement is for good": Planted(
        _an_agreement_is_for_good, _consent(), "although the desk can see"
    ),
    "rule 8: a removal withdraws nothing": Planted(
        _a_removal_withdraws_nothing, _consent(against=0, message=1, removal=1), "was not shown the step"
    ),
    "rule 8: an older proposal can be passed on": Planted(
        _an_older_proposal_counts, _consent(proposal=(2, 0)), "proposed something else since"
    ),
    "rule 8: a void step makes the file": Planted(
        _a_void_step_counts, _consent(made=(1, 0)), "the file is made although"
    ),
    "waiting: any words of the desk answer": Planted(
        _any_words_answer, Limits(message=1, words=(1, 0)), "does not wait"
    ),
}

# These rules need a store, so the explorer has stand-ins for the real functions. These faults show that the
# search would notice the harm. The table of docs/proofs.md says which tests break the real functions.
STAND_INS: Mapping[str, Planted] = {
    "rule 8: the file is made at once": Planted(
        lambda patch: patch.setattr(Explorer, "_is_confirmed", lambda *_: True),
        _consent(made=(1, 0)),
        "before the server has the step",
    ),
    "rule 8: the beginning of an answer confirms the step": Planted(
        _sent_is_confirmed, _consent(made=(1, 0), breaks_off=True), "withdrew before the server had the step"
    ),
    "rule 10: a replica keeps a header that does not open": Planted(
        lambda patch: patch.setattr(Explorer, "keeps_unreadable", True),
        Limits(message=1, flip=1),
        "does not open for good",
        heals=True,
    ),
}


@pytest.mark.parametrize("name", [*PLANTED, *STAND_INS])
def test_a_planted_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = {**PLANTED, **STAND_INS}[name]
    sound, trace, _ = Explorer(planted.limits, heals=planted.heals).run(8, states=3_000)
    assert not sound, "\n".join([sound, *trace])

    planted.plant(monkeypatch)

    broken, _, _ = Explorer(planted.limits, heals=planted.heals).run(11, states=200_000)
    assert planted.reports in broken
