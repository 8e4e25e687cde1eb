import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import age, signed_lines
from crypto.errors import ForgedError, MalformedError, UnreadableError
from protocol.identifiers import Address, Digest, StrandId
from protocol.keyring import create_keyring
from protocol.sealed_record import NAME_BYTES, RecordKind
from protocol.statements.heads import Head
from protocol.trusted_state import TrustedState, open_trusted_state, seal_trusted_state

_KEYRING = create_keyring("Workstation 1", [])
_ADDRESS = Address(b"a" * 20)
_OTHER = Address(b"b" * 20)
_SOURCE = StrandId(b"")
_DESK = StrandId(b"strand-1")
_FIRST: Head = (1, Digest(b"1" * 32))
_SECOND: Head = (2, Digest(b"2" * 32))

_ADDRESSES = st.binary(min_size=20, max_size=20).map(Address)
_HEADS = st.dictionaries(
    st.sampled_from([_SOURCE, _DESK]),
    st.tuples(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32).map(Digest)),
)
_ANCHORS = st.builds(
    TrustedState,
    st.integers(0, 2**63 - 1),
    st.dictionaries(_ADDRESSES, _HEADS),
    st.frozensets(_ADDRESSES),
    answered=st.frozensets(_ADDRESSES),
    records=st.dictionaries(
        st.tuples(st.sampled_from(RecordKind), st.binary(max_size=NAME_BYTES)), st.integers(1, 2**63 - 1)
    ),
)


@given(_ANCHORS)
def test_a_trusted_state_reads_back_as_it_was(trusted_state: TrustedState) -> None:
    assert trusted_state == open_trusted_state(seal_trusted_state(trusted_state, _KEYRING), _KEYRING)


def test_an_answered_source_is_remembered_only_for_the_newest_heads() -> None:
    trusted_state = TrustedState().advance(_ADDRESS, {_SOURCE: _FIRST}, is_answered=True)
    trusted_state = trusted_state.advance(_OTHER, {_SOURCE: _FIRST}, is_answered=True)
    assert {_ADDRESS, _OTHER} == trusted_state.answered
    trusted_state = trusted_state.advance(_ADDRESS, {_SOURCE: _SECOND})
    assert {_OTHER} == trusted_state.answered
    assert trusted_state.end(_OTHER).answered == frozenset()


def test_a_state_from_before_answered_was_remembered_still_opens() -> None:
    raw = b'{"letterhead_serial":7,"mailboxes":[],"ended":[],"removed":[]}'
    assert TrustedState(letterhead_serial=7) == TrustedState.from_bytes(raw)
    assert TrustedState(letterhead_serial=7).to_bytes() == raw


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
    trusted_state = TrustedState().advance(_ADDRESS, {_SOURCE: _FIRST}).advance(_OTHER, {_SOURCE: _FIRST})
    for name in (_ADDRESS, _ADDRESS + b"draft", _OTHER, b"templates"):
        trusted_state = trusted_state.saw_record(RecordKind.CASEFILE, name, 1)
    purged = trusted_state.purged(_ADDRESS)
    assert ({_OTHER}, {_ADDRESS}) == (purged.mailboxes.keys(), purged.ended)
    assert {(RecordKind.CASEFILE, _OTHER): 1, (RecordKind.CASEFILE, b"templates"): 1} == purged.records
    assert trusted_state.records == trusted_state.end(_ADDRESS).records
    with pytest.raises(ForgedError):
        purged.advance(_ADDRESS, {_SOURCE: _FIRST})


def test_a_strand_moves_on_and_the_others_stay() -> None:
    trusted_state = (
        TrustedState()
        .advance(_ADDRESS, {_SOURCE: _FIRST, _DESK: _FIRST})
        .advance(_ADDRESS, {_SOURCE: _SECOND})
    )
    assert trusted_state.mailboxes == {_ADDRESS: {_SOURCE: _SECOND, _DESK: _FIRST}}


def test_seeing_the_same_again_changes_nothing() -> None:
    trusted_state = TrustedState().advance(_ADDRESS, {_SOURCE: _FIRST})
    assert trusted_state == trusted_state.advance(_ADDRESS, {_SOURCE: _FIRST}).advance(_ADDRESS, {})


@pytest.mark.parametrize(
    "head", [pytest.param(_FIRST, id="rolled back"), pytest.param((2, Digest(b"x" * 32)), id="replaced")]
)
def test_a_head_cannot_go_back(head: Head) -> None:
    trusted_state = TrustedState().advance(_ADDRESS, {_SOURCE: _SECOND})
    with pytest.raises(ForgedError):
        trusted_state.advance(_ADDRESS, {_SOURCE: head})


def test_an_ended_mailbox_is_forgotten_but_never_comes_back() -> None:
    trusted_state = (
        TrustedState().advance(_ADDRESS, {_SOURCE: _FIRST}).advance(_OTHER, {_SOURCE: _FIRST}).end(_ADDRESS)
    )
    assert trusted_state.mailboxes == {_OTHER: {_SOURCE: _FIRST}}
    assert {_ADDRESS} == trusted_state.ended
    with pytest.raises(ForgedError):
        trusted_state.advance(_ADDRESS, {_SOURCE: _SECOND})


def test_an_older_letterhead_is_not_remembered() -> None:
    trusted_state = TrustedState().saw_letterhead(3).saw_letterhead(3)
    assert trusted_state.letterhead_serial == 3
    with pytest.raises(ForgedError):
        trusted_state.saw_letterhead(2)


def test_a_trusted_state_does_not_change() -> None:
    before = TrustedState().advance(_ADDRESS, {_SOURCE: _FIRST})
    before.advance(_ADDRESS, {_SOURCE: _SECOND})
    assert before.mailboxes[_ADDRESS] == {_SOURCE: _FIRST}


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
        signed = signed_lines.write_signed_lines(b"steunpunt-anchors/1", body, seed)
        sealed = age.encrypt(signed, [_KEYRING.trusted_state_identity.recipient])
        with pytest.raises(UnreadableError):
            open_trusted_state(sealed.header + sealed.payload, _KEYRING)


def test_a_removal_is_remembered_until_its_mailbox_has_ended() -> None:
    once = TrustedState().advance(_ADDRESS, {_SOURCE: _SECOND}, frozenset([_FIRST[1]]))
    trusted_state = once.advance(_ADDRESS, {_SOURCE: _SECOND}).advance(_OTHER, {}, frozenset([_SECOND[1]]))

    assert trusted_state.removed == {_ADDRESS: frozenset([_FIRST[1]]), _OTHER: frozenset([_SECOND[1]])}
    assert TrustedState.from_bytes(trusted_state.to_bytes()) == trusted_state
    assert trusted_state.end(_ADDRESS).removed == {_OTHER: frozenset([_SECOND[1]])}


_GOOD = TrustedState(1, {_ADDRESS: {_SOURCE: _FIRST}, _OTHER: {}}, frozenset([_OTHER])).to_bytes()


@given(st.integers(0, len(_GOOD) - 1), st.binary(max_size=2), st.integers(0, 2))
def test_an_accepted_state_is_written_back_byte_for_byte(at: int, new: bytes, cut: int) -> None:
    changed = _GOOD[:at] + new + _GOOD[at + cut :]
    try:
        trusted_state = TrustedState.from_bytes(changed)
    except MalformedError:
        return
    assert changed == trusted_state.to_bytes()


def test_one_mailbox_named_twice_is_malformed() -> None:
    once = TrustedState(1, {_ADDRESS: {}}).to_bytes()
    start, end = once.index(b"[[") + 1, once.index(b"]]]") + 2
    with pytest.raises(MalformedError):
        TrustedState.from_bytes(once[:end] + b"," + once[start:end] + once[end:])
