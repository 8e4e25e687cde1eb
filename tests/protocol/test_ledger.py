from collections import Counter
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import age, signed_lines
from crypto.errors import ForgedError, MalformedError, TooLongError, UnreadableError
from journalist_app.desk.casefile import Casefile, PassedOn, tallies_of
from protocol.heads import LARGEST_NUMBER
from protocol.identifiers import Digest
from protocol.ledger import ROWS, Dimension, Tally, counted_tallies, open_tally, seal_tallies, tally_seed
from tests.protocol.desk_factories import EPOCH_IDENTITY, SECOND_IDENTITY, a_letterhead
from tests.protocol.mailbox_factories import LAPTOP, WORKSTATION, the_strands

LETTERHEAD = a_letterhead(working_days=(0, 1, 3))
SEED = b"s" * 32
CLOSED = date(2027, 1, 20)
A_TALLY = Tally(b"i" * 16, 1, 2026, Dimension.THEME, "bullying")


def a_casefile(**changes: object) -> Casefile:
    fields: dict[str, object] = {
        "theme": "bullying",
        "route": "complaint",
        "region": "africa",
        "outcome": "talked",
        "first_message": date(2026, 12, 28),
        "first_answer": date(2027, 1, 4),
        "came_back": True,
    }
    return Casefile(**(fields | changes))


def passed(*consents: str) -> tuple[PassedOn, ...]:
    return tuple(
        PassedOn(recipient="SG", with_consent=consent == "with", made=CLOSED, proposal=Digest(bytes(32)))
        for consent in consents
    )


def facts(casefile: Casefile, *, is_read: bool = True) -> dict[str, str]:
    tallies = tallies_of(casefile, LETTERHEAD, seed=SEED, revision=3, closed=CLOSED, is_read=is_read)
    assert len(tallies) == ROWS
    assert len({tally.id for tally in tallies}) == ROWS
    return {tally.dimension.value: tally.value for tally in tallies}


def opened(raw: bytes) -> Tally:
    return open_tally(raw, [EPOCH_IDENTITY], the_strands())


def sealed(tally: Tally = A_TALLY) -> bytes:
    (raw,) = seal_tallies([tally], LETTERHEAD, WORKSTATION)
    return raw


def resealed(plaintext: bytes) -> bytes:
    made = age.encrypt(plaintext, [EPOCH_IDENTITY.recipient])
    return made.header + made.payload


def test_a_mailbox_that_was_read_gives_one_fact_of_each_kind() -> None:
    assert facts(a_casefile()) == {
        "mailbox": "read",
        "theme": "bullying",
        "route": "complaint",
        "outcome": "talked",
        "region": "africa",
        "came_back": "yes",
        "first_answer": "3",
        "passed_on": "not",
    }


@pytest.mark.parametrize(
    ("casefile", "is_read", "counts_as"),
    [
        (a_casefile(is_spam=True), True, "spam"),
        (a_casefile(is_spam=True), False, "spam"),
        (a_casefile(), False, "ended_unread"),
    ],
    ids=["spam", "unread spam", "ended unread"],
)
def test_spam_and_unread_mailboxes_count_only_as_such(
    casefile: Casefile, counts_as: str, *, is_read: bool
) -> None:
    assert facts(casefile, is_read=is_read) == {"mailbox": counts_as, "nothing": ""}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"came_back": False}, ("no", "3", "not")),
        ({"first_answer": None}, ("no_answer", "none", "not")),
        ({"first_message": None}, ("yes", "none", "not")),
        ({"first_answer": date(2026, 12, 28)}, ("yes", "0", "not")),
        ({"passed_on": passed("with", "with")}, ("yes", "3", "with_consent")),
        ({"passed_on": passed("without")}, ("yes", "3", "without_consent")),
        ({"passed_on": passed("without", "with")}, ("yes", "3", "both")),
    ],
    ids=[
        "never came back",
        "never answered",
        "the desk began",
        "answered the same day",
        "with consent",
        "without",
        "both",
    ],
)
def test_the_facts_of_a_mailbox_have_few_values(
    changes: dict[str, object], expected: tuple[str, ...]
) -> None:
    told = facts(a_casefile(**changes))
    assert expected == (told["came_back"], told["first_answer"], told["passed_on"])


def test_a_mailbox_counts_for_the_year_in_which_it_began() -> None:
    for casefile, year in ((a_casefile(), 2026), (a_casefile(first_message=None), 2027)):
        tallies = tallies_of(casefile, LETTERHEAD, seed=SEED, revision=3, closed=CLOSED, is_read=True)
        assert {year} == {tally.year for tally in tallies}


@given(
    st.binary(min_size=16, max_size=16),
    st.integers(1, LARGEST_NUMBER),
    st.integers(1, 9999),
    st.sampled_from(Dimension),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)
def test_a_tally_comes_back_as_it_was(
    which: bytes, revision: int, year: int, dimension: Dimension, value: str
) -> None:
    tally = Tally(which, revision, year, dimension, value)
    assert tally == opened(sealed(tally))


@given(st.binary())
def test_random_bytes_are_not_a_tally(raw: bytes) -> None:
    for attempt in (raw, resealed(raw)):
        with pytest.raises((UnreadableError, MalformedError)):
            opened(attempt)


def test_every_mailbox_leaves_tallies_of_one_number_and_size() -> None:
    left = [
        Counter(map(len, seal_tallies(tallies, LETTERHEAD, WORKSTATION)))
        for tallies in (
            tallies_of(a_casefile(), LETTERHEAD, seed=SEED, revision=3, closed=CLOSED, is_read=True),
            tallies_of(
                a_casefile(is_spam=True), LETTERHEAD, seed=SEED, revision=3, closed=CLOSED, is_read=True
            ),
            tallies_of(
                Casefile(theme="\N{GRINNING FACE}" * 60),
                LETTERHEAD,
                seed=SEED,
                revision=3,
                closed=CLOSED,
                is_read=True,
            ),
        )
    ]
    assert left[0] == left[1] == left[2]
    assert [ROWS] == list(left[0].values())


def test_the_order_of_tallies_reveals_nothing() -> None:
    tallies = seal_tallies([A_TALLY] * 4, LETTERHEAD, WORKSTATION)
    assert list(tallies) == sorted(tallies)


def test_a_tally_that_someone_else_encrypted_to_the_desk_is_detected() -> None:
    raw = sealed()
    for strands in ({}, {WORKSTATION.strand: the_strands()[LAPTOP.strand]}):
        with pytest.raises(ForgedError):
            open_tally(raw, [EPOCH_IDENTITY], strands)


def test_only_the_desk_opens_its_tallies() -> None:
    with pytest.raises(UnreadableError):
        open_tally(sealed(), [SECOND_IDENTITY], the_strands())


@pytest.mark.parametrize(
    ("tally", "refusal"),
    [
        (Tally(b"i" * 16, 1, 2026, Dimension.THEME, "x" * 512), TooLongError),
        (Tally(b"i" * 16, 1, 2026, Dimension.THEME, "\ud800"), MalformedError),
        (Tally(b"i" * 16, 0, 2026, Dimension.THEME, ""), MalformedError),
        (Tally(b"short", 1, 2026, Dimension.THEME, ""), MalformedError),
        (Tally(b"i" * 16, 1, 0, Dimension.THEME, ""), MalformedError),
    ],
    ids=["a long value", "half a pair", "no revision", "a short id", "no year"],
)
def test_a_tally_that_a_reader_would_refuse_is_not_encrypted(tally: Tally, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        sealed(tally)


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.rstrip(b" "),
        lambda line: line + b" ",
        lambda line: line.replace(b'"year":2026,', b'"year":2026.0,').rstrip(b" ").ljust(512),
        lambda line: line.replace(b'"theme"', b'"gossip"'),
        lambda line: line.replace(b'"bullying"', b'"\xff"'),
        lambda line: line.replace(b'{"id"', b'{"x":1,"id"').rstrip(b" ").ljust(512),
        lambda line: line.replace(b',"year"', b' ,"year"').rstrip(b" ").ljust(512),
    ],
    ids=[
        "no padding",
        "too much padding",
        "another number",
        "an unknown dimension",
        "no UTF-8",
        "an unknown field",
        "another spelling",
    ],
)
def test_bytes_that_we_never_write_are_malformed(change: Callable[[bytes], bytes]) -> None:
    version, line, _, _ = age.decrypt(*age.split_file(sealed()), [EPOCH_IDENTITY])[0].split(b"\n")
    changed = change(line)
    assert changed != line
    with pytest.raises(MalformedError):
        opened(resealed(signed_lines.write_signed_lines(version, changed, WORKSTATION.seed)))


# ---- ids and revisions: any number of sets of one mailbox counts once


def tallies(casefile: Casefile, revision: int = 3, seed: bytes = SEED) -> tuple[Tally, ...]:
    return tallies_of(casefile, LETTERHEAD, seed=seed, revision=revision, closed=CLOSED, is_read=True)


def test_every_set_of_one_mailbox_has_the_same_ids_also_when_it_became_spam() -> None:
    read, spam = tallies(a_casefile()), tallies(a_casefile(is_spam=True), 4)
    assert [tally.id for tally in read] == [tally.id for tally in spam]
    assert {tally.id for tally in read}.isdisjoint(
        tally.id for tally in tallies(a_casefile(), seed=b"t" * 32)
    )


def test_a_seed_belongs_to_one_desk_and_one_mailbox() -> None:
    seed = tally_seed(b"d" * 32, b"k" * 32)
    assert len(seed) == 32
    assert seed == tally_seed(b"d" * 32, b"k" * 32)
    assert len({seed, tally_seed(b"x" * 32, b"k" * 32), tally_seed(b"d" * 32, b"x" * 32)}) == 3


def test_superseded_and_copied_tallies_do_not_count() -> None:
    """Attack: the operator of the server puts all tallies that the desk ever made into the ledger."""
    old, new = tallies(a_casefile(theme="other")), tallies(a_casefile(is_spam=True), 4)
    assert Counter(counted_tallies([*new, *old, *new, *old])) == Counter(new)
    assert Counter(counted_tallies([*old, *new])) == Counter(new)


def test_of_two_tallies_of_one_revision_the_same_counts_on_every_workstation() -> None:
    one, other = tallies(a_casefile(theme="one")), tallies(a_casefile(theme="other"))
    counted = counted_tallies([*one, *other])
    assert set(counted) == set(counted_tallies([*other, *one]))
    assert len(counted) == ROWS
    rivals = {tally.id: {tally.digest} for tally in one}
    for tally in other:
        rivals[tally.id].add(tally.digest)
    assert all(tally.digest == min(rivals[tally.id]) for tally in counted)


def test_equal_revisions_do_not_show_which_tallies_belong_to_one_mailbox() -> None:
    seen = [tally.revision for tally in tallies(a_casefile())]
    assert len(set(seen)) == ROWS
    assert [revision + 1 for revision in seen] == [tally.revision for tally in tallies(a_casefile(), 4)]
