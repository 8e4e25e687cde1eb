from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import age, signed_lines
from crypto.errors import ForgedError, MalformedError, UnreadableError
from protocol.heads import Head, Heads
from protocol.identifiers import Address, Digest, StrandId
from protocol.keyring import create_keyring
from protocol.sealed_record import NAME_BYTES, RecordKind
from protocol.trusted_state import TrustedState, open_trusted_state, seal_trusted_state

_KEYRING = create_keyring("Workstation 1", [])
_ADDRESS = Address(b"a" * 20)
_OTHER = Address(b"b" * 20)
_SOURCE = StrandId(b"")
_DESK = StrandId(b"strand-1")
_DUE = date(2026, 9, 1)
_FIRST = Head(_SOURCE, 1, Digest(b"1" * 32))
_BESIDE = Head(_SOURCE, 1, Digest(b"x" * 32))
_SECOND = Head(_SOURCE, 2, Digest(b"2" * 32))
_OURS = Head(_DESK, 1, Digest(b"3" * 32))

_ADDRESSES = st.binary(min_size=20, max_size=20).map(Address)
_HEADS = st.frozensets(
    st.builds(
        Head,
        st.sampled_from([_SOURCE, _DESK]),
        st.integers(1, 2**63 - 1),
        st.binary(min_size=32, max_size=32).map(Digest),
    )
).map(lambda heads: tuple(sorted(heads)))
_STATES = st.builds(
    TrustedState,
    st.integers(0, 2**63 - 1),
    st.dictionaries(_ADDRESSES, _HEADS),
    st.frozensets(_ADDRESSES),
    st.dictionaries(_ADDRESSES, st.frozensets(st.binary(min_size=32, max_size=32).map(Digest))),
    st.dictionaries(_ADDRESSES, st.dates()),
    st.frozensets(_ADDRESSES),
    st.dictionaries(
        st.tuples(st.sampled_from(RecordKind), st.binary(max_size=NAME_BYTES)), st.integers(1, 2**63 - 1)
    ),
)


@given(_STATES)
def test_a_trusted_state_reads_back_as_it_was(trusted_state: TrustedState) -> None:
    assert trusted_state == open_trusted_state(seal_trusted_state(trusted_state, _KEYRING), _KEYRING)


def test_an_answer_and_a_closing_are_remembered_only_for_the_newest_heads() -> None:
    state = TrustedState().advance(_ADDRESS, (_FIRST,), closed=_DUE, is_answered=True)
    state = state.advance(_OTHER, (_FIRST,), closed=_DUE, is_answered=True)
    assert (state.answered, state.closed) == ({_ADDRESS, _OTHER}, {_ADDRESS: _DUE, _OTHER: _DUE})
    state = state.advance(_ADDRESS, (_SECOND,))
    assert (state.answered, state.closed) == ({_OTHER}, {_OTHER: _DUE})
    ended = state.end(_OTHER)
    assert (ended.answered, ended.closed) == (frozenset(), {})


def test_a_restored_older_record_is_detected() -> None:
    trusted_state = (
        TrustedState().saw_record(RecordKind.CASEFILE, _ADDRESS, 2).saw_record(RecordKind.DRAFT, _ADDRESS, 7)
    )
    assert trusted_state == trusted_state.saw_record(RecordKind.CASEFILE, _ADDRESS, 2)
    with pytest.raises(ForgedError):
        trusted_state.saw_record(RecordKind.CASEFILE, _ADDRESS, 1)
    assert {(RecordKind.CASEFILE, _ADDRESS): 3, (RecordKind.DRAFT, _ADDRESS): 7} == trusted_state.saw_record(
        RecordKind.CASEFILE, _ADDRESS, 3
    ).records


def test_a_record_that_the_desk_dropped_begins_at_one_again() -> None:
    trusted_state = TrustedState().saw_record(RecordKind.DRAFT, _ADDRESS, 7).forget_records(_ADDRESS)
    assert TrustedState() == trusted_state
    assert {(RecordKind.DRAFT, _ADDRESS): 1} == trusted_state.saw_record(
        RecordKind.DRAFT, _ADDRESS, 1
    ).records


def test_after_a_purge_only_the_end_of_the_mailbox_is_remembered() -> None:
    trusted_state = TrustedState().advance(_ADDRESS, (_FIRST,)).advance(_OTHER, (_FIRST,))
    for name in (_ADDRESS, _ADDRESS + b"draft", _OTHER, b"templates"):
        trusted_state = trusted_state.saw_record(RecordKind.CASEFILE, name, 1)
    purged = trusted_state.purged(_ADDRESS)
    assert ({_OTHER}, {_ADDRESS}) == (purged.mailboxes.keys(), purged.ended)
    assert {(RecordKind.CASEFILE, _OTHER): 1, (RecordKind.CASEFILE, b"templates"): 1} == purged.records
    assert trusted_state.records == trusted_state.end(_ADDRESS).records
    with pytest.raises(ForgedError):
        purged.advance(_ADDRESS, (_FIRST,))


def test_a_strand_moves_on_and_another_joins() -> None:
    state = TrustedState().advance(_ADDRESS, (_FIRST,)).advance(_ADDRESS, (_SECOND, _OURS))
    assert state.mailboxes == {_ADDRESS: (_SECOND, _OURS)}


def test_seeing_the_same_again_changes_nothing() -> None:
    state = TrustedState().advance(_ADDRESS, (_FIRST, _OURS))
    assert state == state.advance(_ADDRESS, (_FIRST, _OURS))


def test_two_entries_of_the_source_with_one_number_are_both_remembered() -> None:
    """Attack: the operator hides the source's newest row for a moment, so that the source uses its number
    again.
    """
    state = TrustedState().advance(_ADDRESS, (_FIRST,)).advance(_ADDRESS, (_FIRST, _BESIDE))
    assert state.mailboxes == {_ADDRESS: (_FIRST, _BESIDE)}
    assert state.advance(_ADDRESS, (_SECOND,)).mailboxes == {_ADDRESS: (_SECOND,)}
    with pytest.raises(ForgedError):
        state.advance(_ADDRESS, (_BESIDE,))


@pytest.mark.parametrize(
    "heads",
    [(_FIRST, _OURS), (_BESIDE, _OURS), (_SECOND,), (_OURS,), ()],
    ids=["rolled back", "replaced", "another strand is gone", "its strand is gone", "emptied"],
)
def test_a_head_cannot_go_back(heads: Heads) -> None:
    state = TrustedState().advance(_ADDRESS, (_SECOND, _OURS))
    with pytest.raises(ForgedError):
        state.advance(_ADDRESS, heads)


def test_an_ended_mailbox_is_forgotten_but_never_comes_back() -> None:
    state = TrustedState().advance(_ADDRESS, (_FIRST,)).advance(_OTHER, (_FIRST,)).end(_ADDRESS)
    assert state.mailboxes == {_OTHER: (_FIRST,)}
    assert {_ADDRESS} == state.ended
    with pytest.raises(ForgedError):
        state.advance(_ADDRESS, (_SECOND,))


def test_an_older_letterhead_is_not_remembered() -> None:
    trusted_state = TrustedState().saw_letterhead(3).saw_letterhead(3)
    assert trusted_state.letterhead_serial == 3
    with pytest.raises(ForgedError):
        trusted_state.saw_letterhead(2)


def test_a_trusted_state_does_not_change() -> None:
    before = TrustedState().advance(_ADDRESS, (_FIRST,))
    before.advance(_ADDRESS, (_SECOND,))
    assert before.mailboxes[_ADDRESS] == (_FIRST,)


def test_another_workstation_cannot_open_the_state() -> None:
    with pytest.raises(UnreadableError):
        open_trusted_state(seal_trusted_state(TrustedState(), _KEYRING), create_keyring("Workstation 2", []))


@given(st.data())
def test_any_flipped_byte_is_detected(data: st.DataObject) -> None:
    sealed = seal_trusted_state(TrustedState(), _KEYRING)
    at = data.draw(st.integers(0, len(sealed) - 1))
    flipped = bytes([sealed[at] ^ data.draw(st.integers(1, 255))])
    with pytest.raises(UnreadableError):
        open_trusted_state(sealed[:at] + flipped + sealed[at + 1 :], _KEYRING)


@given(st.binary(max_size=100))
def test_random_bytes_raise_nothing_but_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableError):
        open_trusted_state(raw, _KEYRING)
    with pytest.raises(MalformedError):
        TrustedState.from_bytes(raw)


def test_a_state_that_this_workstation_did_not_sign_is_refused() -> None:
    for seed, body in ((b"x" * 32, TrustedState().to_bytes()), (_KEYRING.strand.seed, b"{}")):
        signed = signed_lines.write_signed_lines(b"steunpunt-trusted-state/1", body, seed)
        sealed = age.encrypt(signed, [_KEYRING.trusted_state_identity.recipient])
        with pytest.raises(UnreadableError):
            open_trusted_state(sealed.header + sealed.payload, _KEYRING)


def test_a_removal_is_remembered_until_its_mailbox_has_ended() -> None:
    once = TrustedState().advance(_ADDRESS, (_SECOND,), frozenset([_FIRST.digest]))
    trusted_state = once.advance(_ADDRESS, (_SECOND,)).advance(_OTHER, (), frozenset([_SECOND.digest]))

    assert trusted_state.removed == {
        _ADDRESS: frozenset([_FIRST.digest]),
        _OTHER: frozenset([_SECOND.digest]),
    }
    assert TrustedState.from_bytes(trusted_state.to_bytes()) == trusted_state
    assert trusted_state.end(_ADDRESS).removed == {_OTHER: frozenset([_SECOND.digest])}


_GOOD = TrustedState(1, {_ADDRESS: (_FIRST,), _OTHER: ()}, frozenset([_OTHER])).to_bytes()


@given(st.integers(0, len(_GOOD) - 1), st.binary(max_size=2), st.integers(0, 2))
def test_an_accepted_state_is_written_back_byte_for_byte(at: int, new: bytes, cut: int) -> None:
    changed = _GOOD[:at] + new + _GOOD[at + cut :]
    try:
        trusted_state = TrustedState.from_bytes(changed)
    except MalformedError:
        return
    assert changed == trusted_state.to_bytes()


def test_one_mailbox_named_twice_is_malformed() -> None:
    once = TrustedState(1, {_ADDRESS: ()}).to_bytes()
    start, end = once.index(b"[[") + 1, once.index(b"]]]") + 2
    with pytest.raises(MalformedError):
        TrustedState.from_bytes(once[:end] + b"," + once[start:end] + once[end:])
