from collections.abc import Callable
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedError, TooLongError
from journalist_app.desk.casefile import LABELS, Casefile, Evidence, EvidenceKind, Note
from protocol.identifiers import Digest
from protocol.sealed_record import BODY_BYTES
from tests.journalist_app.casefile_strategy import casefiles

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
CASEFILES = casefiles(
    texts=TEXTS,
    handovers=TEXTS,
    days=st.dates(),
    digests=st.binary(min_size=32, max_size=32),
    parts=st.binary(),
    notes=st.lists(st.builds(Note, day=st.dates(), strand=TEXTS, text=TEXTS), max_size=2),
    labels=st.lists(TEXTS, max_size=3),
)


@given(CASEFILES)
def test_a_casefile_comes_back_as_it_was(casefile: Casefile) -> None:
    assert casefile == Casefile.from_bytes(casefile.to_bytes())


@given(st.binary())
def test_random_bytes_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Casefile.from_bytes(raw)


def test_an_empty_casefile_is_valid() -> None:
    assert Casefile() == Casefile.from_bytes(Casefile().to_bytes())


@pytest.mark.parametrize(
    "casefile",
    [
        Casefile(handover="\ud800"),
        Casefile(theme="x" * 201),
        Casefile(labels=("x",) * (LABELS + 1)),
        Casefile(notes=(Note(day=date(2026, 3, 2), strand="", text="x" * 20_001),)),
        Casefile(
            evidence=(
                Evidence(kind=EvidenceKind.ANSWER, day=date(2026, 3, 2), entry=Digest(b"short"), body=b"{}"),
            )
        ),
    ],
    ids=["half a pair", "a long theme", "many labels", "a long note", "a short digest"],
)
def test_a_casefile_that_a_reader_would_refuse_is_not_written(casefile: Casefile) -> None:
    with pytest.raises(MalformedError):
        casefile.to_bytes()


def test_a_casefile_too_large_for_a_record_is_refused() -> None:
    page = Note(day=date(2026, 3, 2), strand="Workstation 1", text="x" * 20_000)
    with pytest.raises(TooLongError):
        Casefile(notes=(page,) * (BODY_BYTES // 20_000)).to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw + b" ",
        lambda raw: raw.replace(b'"version":1', b'"version":2'),
        lambda raw: raw.replace(b'{"version"', b'{"gossip":1,"version"'),
        lambda raw: raw.replace(b'"theme":""', b'"theme":"\xff"'),
    ],
    ids=["a space", "another version", "an unknown field", "no UTF-8"],
)
def test_bytes_that_we_never_write_are_malformed(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedError):
        Casefile.from_bytes(change(Casefile().to_bytes()))


@given(CASEFILES)
def test_a_casefile_does_not_show_in_a_log(casefile: Casefile) -> None:
    told = msgspec.structs.replace(casefile, handover="canary", theme="canary", labels=("canary",))
    assert repr(told) == "Casefile"
    for kept in (*casefile.notes, *casefile.evidence, *casefile.passed_on):
        assert repr(kept) == type(kept).__name__
