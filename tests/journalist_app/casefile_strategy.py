"""Hypothesis strategy for casefiles, with the values that a test chooses for the fields."""

from datetime import date

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from journalist_app.desk.casefile import Casefile, Evidence, EvidenceKind, Note, PassedOn
from protocol.identifiers import Digest


def casefiles(
    *,
    texts: SearchStrategy[str],
    handovers: SearchStrategy[str],
    days: SearchStrategy[date],
    digests: SearchStrategy[bytes],
    parts: SearchStrategy[bytes],
    notes: SearchStrategy[list[Note]],
    labels: SearchStrategy[list[str]],
) -> SearchStrategy[Casefile]:
    """Return a strategy for casefiles. `parts` are the bytes in a piece of evidence."""
    evidence = st.builds(
        Evidence,
        kind=st.sampled_from(EvidenceKind),
        day=days,
        entry=digests.map(Digest),
        body=parts,
        envelope=parts,
        signature=parts,
    )
    passed_on = st.builds(
        PassedOn,
        recipient=texts,
        with_consent=st.booleans(),
        made=days,
        proposal=digests.map(Digest),
        delivered=st.none() | days,
        begun=st.none() | st.tuples(parts, st.integers(1, 9)),
    )
    return st.builds(
        Casefile,
        notes=notes.map(tuple),
        labels=labels.map(tuple),
        **dict.fromkeys(("theme", "route", "region", "outcome"), texts),
        **dict.fromkeys(("reminder", "keep_until", "first_message", "first_answer"), st.none() | days),
        **dict.fromkeys(("is_spam", "came_back"), st.booleans()),
        handover=handovers,
        evidence=st.lists(evidence, max_size=3).map(tuple),
        passed_on=st.lists(passed_on, max_size=3).map(tuple),
    )
