import json
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
from protocol.trusted_state import SeenMailbox, TrustedState, open_trusted_state, seal_trusted_state

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
_SEEN = st.builds(
    SeenMailbox,
    _HEADS,
    st.frozensets(st.binary(min_size=32, max_size=32).map(Digest)),
    st.none() | st.dates(),
    st.booleans(),
)
_STATES = st.builds(
    TrustedState,
    st.integers(0, 2**63 - 1),
    st.dictionaries(_ADDRESSES, _SEEN),
    st.sets(_ADDRESSES),
    st.dictionaries(
        st.tuples(st.sampled_from(RecordKind), st.binary(max_size=NAME_BYTES)), st.integers(1, 2**63 - 1)
    ),
    st.integers(0, 2**63 - 1),
)


@given(_STATES)
def test_a_trusted_state_reads_back_as_it_was(trusted_state: TrustedState) -> None:
    assert trusted_state == open_trusted_state(seal_trusted_state(trusted_state, _KEYRING), _KEYRING)


def a_state(*seen: Heads, ended: set[Address] | None = None) -> TrustedState:
    """Return a state in which each of two mailboxes advanced to each of these heads, one after the other."""
    state = TrustedState(ended=ended or set())
    for heads in seen:
        state.advance(_ADDRESS, SeenMailbox(heads))
        state.advance(_OTHER, SeenMailbox(heads))
    return state


def test_an_answer_and_a_closing_are_remembered_only_for_the_newest_heads() -> None:
    closed = SeenMailbox((_FIRST,), closed=_DUE, is_answered=True)
    state = TrustedState()
    state.advance(_ADDRESS, closed)
    state.advance(_OTHER, closed)
    assert {_ADDRESS: closed, _OTHER: closed} == state.mailboxes
    state.advance(_ADDRESS, SeenMailbox((_SECOND,)))
    assert {_ADDRESS: SeenMailbox((_SECOND,)), _OTHER: closed} == state.mailboxes
    state.end(_OTHER)
    assert SeenMailbox() == state.seen(_OTHER)


def test_a_restored_older_record_is_detected() -> None:
    state = TrustedState()
    state.saw_record(RecordKind.CASEFILE, _ADDRESS, 2)
    state.saw_record(RecordKind.DRAFT, _ADDRESS, 7)
    state.saw_record(RecordKind.CASEFILE, _ADDRESS, 2)
    with pytest.raises(ForgedError):
        state.saw_record(RecordKind.CASEFILE, _ADDRESS, 1)
    assert {(RecordKind.CASEFILE, _ADDRESS): 2, (RecordKind.DRAFT, _ADDRESS): 7} == state.records
    state.saw_record(RecordKind.CASEFILE, _ADDRESS, 3)
    assert {(RecordKind.CASEFILE, _ADDRESS): 3, (RecordKind.DRAFT, _ADDRESS): 7} == state.records


def test_a_record_that_the_desk_dropped_begins_at_one_again() -> None:
    state = TrustedState()
    state.saw_record(RecordKind.DRAFT, _ADDRESS, 7)
    state.saw_record(RecordKind.DRAFT, _OTHER, 7)
    state.forget_records(_ADDRESS)
    assert {(RecordKind.DRAFT, _OTHER): 7} == state.records
    state.saw_record(RecordKind.DRAFT, _ADDRESS, 1)
    assert {(RecordKind.DRAFT, _OTHER): 7, (RecordKind.DRAFT, _ADDRESS): 1} == state.records


def test_a_strand_moves_on_and_another_joins() -> None:
    state = a_state((_FIRST,), (_SECOND, _OURS))
    assert state.seen(_ADDRESS).heads == (_SECOND, _OURS)


def test_seeing_the_same_again_changes_nothing() -> None:
    assert a_state((_FIRST, _OURS)) == a_state((_FIRST, _OURS), (_FIRST, _OURS))


def test_one_of_many_mailboxes_is_remembered_without_a_copy_of_the_others() -> None:
    """Attack: someone makes 100,000 mailboxes. A copy of all of them for each took the check hours."""
    state = a_state((_FIRST,))
    tables, other = (state.mailboxes, state.ended, state.records), state.seen(_OTHER)
    state.advance(_ADDRESS, SeenMailbox((_SECOND,)))
    state.saw_record(RecordKind.CASEFILE, _ADDRESS, 1)
    state.forget_records(_ADDRESS)
    state.end(_ADDRESS)
    assert all(
        now is before
        for now, before in zip((state.mailboxes, state.ended, state.records), tables, strict=True)
    )
    assert state.seen(_OTHER) is other


def test_two_entries_of_the_source_with_one_number_are_both_remembered() -> None:
    """Attack: the operator hides the source's newest row for a moment, so that the source uses its number
    again.
    """
    state = a_state((_FIRST,), (_FIRST, _BESIDE))
    assert state.seen(_ADDRESS).heads == (_FIRST, _BESIDE)
    with pytest.raises(ForgedError):
        state.advance(_ADDRESS, SeenMailbox((_BESIDE,)))
    state.advance(_ADDRESS, SeenMailbox((_SECOND,)))
    assert state.seen(_ADDRESS).heads == (_SECOND,)


@pytest.mark.parametrize(
    "heads",
    [(_FIRST, _OURS), (_BESIDE, _OURS), (_SECOND,), (_OURS,), ()],
    ids=["rolled back", "replaced", "another strand is gone", "its strand is gone", "emptied"],
)
def test_a_head_cannot_go_back(heads: Heads) -> None:
    state = a_state((_SECOND, _OURS))
    with pytest.raises(ForgedError):
        state.advance(_ADDRESS, SeenMailbox(heads))
    assert a_state((_SECOND, _OURS)) == state


def test_an_ended_mailbox_is_forgotten_but_never_comes_back() -> None:
    state = a_state((_FIRST,))
    state.saw_record(RecordKind.CASEFILE, _ADDRESS, 1)
    state.end(_ADDRESS)
    assert state.mailboxes == {_OTHER: SeenMailbox((_FIRST,))}
    assert {(RecordKind.CASEFILE, _ADDRESS): 1} == state.records
    assert {_ADDRESS} == state.ended
    with pytest.raises(ForgedError):
        state.advance(_ADDRESS, SeenMailbox((_SECOND,)))


def test_an_older_letterhead_is_not_remembered() -> None:
    state = TrustedState()
    state.saw_letterhead(3)
    state.saw_letterhead(3)
    with pytest.raises(ForgedError):
        state.saw_letterhead(2)
    assert state.letterhead_serial == 3


@given(_STATES, _STATES)
def test_a_merge_loses_no_end_no_removal_no_revision_and_no_serial(
    one: TrustedState, two: TrustedState
) -> None:
    merged = TrustedState.from_bytes(one.to_bytes())
    merged.merge(two)
    assert one.ended | two.ended == merged.ended
    assert (one.mailboxes.keys() | two.mailboxes.keys()) - merged.ended == merged.mailboxes.keys()
    for state in (one, two):
        assert state.letterhead_serial <= merged.letterhead_serial
        assert state.keyring_serial <= merged.keyring_serial
        assert all(revision <= merged.records[name] for name, revision in state.records.items())
        assert all(seen.removed >= state.seen(address).removed for address, seen in merged.mailboxes.items())
        for address, seen in merged.mailboxes.items():
            TrustedState(mailboxes={address: state.seen(address)}).advance(address, seen)  # goes back nowhere


def test_a_merge_keeps_the_newest_heads_of_a_mailbox() -> None:
    older, newer = SeenMailbox((_FIRST,), closed=_DUE), SeenMailbox((_SECOND, _OURS), is_answered=True)
    for ours, theirs in ((older, newer), (newer, older)):
        state = TrustedState(mailboxes={_ADDRESS: ours})
        state.merge(TrustedState(mailboxes={_ADDRESS: theirs, _OTHER: older}))
        assert {_ADDRESS: newer, _OTHER: older} == state.mailboxes


def test_a_merge_keeps_what_only_one_of_two_processes_saw() -> None:
    """Attack: the operator shows two processes of one workstation different entries, and then hides both."""
    one = SeenMailbox((_SECOND,), closed=_DUE, is_answered=True)
    two = SeenMailbox((_FIRST, _OURS), closed=_DUE, is_answered=True)
    for ours, theirs in ((one, two), (two, one)):
        state = TrustedState(mailboxes={_ADDRESS: ours})
        state.merge(TrustedState(mailboxes={_ADDRESS: theirs}))
        # No process has verified that a mailbox with both heads is closed or answered.
        assert {_ADDRESS: SeenMailbox((_SECOND, _OURS))} == state.mailboxes


def test_a_merge_keeps_two_entries_with_one_number() -> None:
    state = TrustedState(mailboxes={_ADDRESS: SeenMailbox((_FIRST,))})
    state.merge(TrustedState(mailboxes={_ADDRESS: SeenMailbox((_BESIDE,))}))
    assert {_ADDRESS: SeenMailbox((_FIRST, _BESIDE))} == state.mailboxes


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
    state = TrustedState()
    state.advance(_ADDRESS, SeenMailbox((_SECOND,), frozenset([_FIRST.digest])))
    state.advance(_ADDRESS, SeenMailbox((_SECOND,)))
    state.advance(_OTHER, SeenMailbox((), frozenset([_SECOND.digest])))

    assert state.seen(_ADDRESS).removed == {_FIRST.digest}
    assert TrustedState.from_bytes(state.to_bytes()) == state
    state.end(_ADDRESS)
    assert {_OTHER: SeenMailbox((), frozenset([_SECOND.digest]))} == state.mailboxes


_GOOD = TrustedState(1, {_ADDRESS: SeenMailbox((_FIRST,)), _OTHER: SeenMailbox()}, {_OTHER}).to_bytes()


@given(st.integers(0, len(_GOOD) - 1), st.binary(max_size=2), st.integers(0, 2))
def test_an_accepted_state_is_written_back_byte_for_byte(at: int, new: bytes, cut: int) -> None:
    changed = _GOOD[:at] + new + _GOOD[at + cut :]
    try:
        trusted_state = TrustedState.from_bytes(changed)
    except MalformedError:
        return
    assert changed == trusted_state.to_bytes()


def test_one_mailbox_named_twice_is_malformed() -> None:
    once = TrustedState(1, {_ADDRESS: SeenMailbox()}).to_bytes()
    start, end = once.index(b"[[") + 1, once.index(b"]]]") + 2
    with pytest.raises(MalformedError):
        TrustedState.from_bytes(once[:end] + b"," + once[start:end] + once[end:])


@pytest.mark.parametrize("list_name", ["removed", "closed", "answered"])
def test_a_fact_about_a_mailbox_without_heads_is_malformed(list_name: str) -> None:
    seen = SeenMailbox((), frozenset([_FIRST.digest]), _DUE, is_answered=True)
    raw = TrustedState(1, {_ADDRESS: seen}).to_bytes()
    facts = json.loads(raw)
    for other in {"removed", "closed", "answered"} - {list_name}:
        facts[other] = []
    assert facts == json.loads(TrustedState.from_bytes(_canonical(facts)).to_bytes())
    facts["mailboxes"] = []
    with pytest.raises(MalformedError):
        TrustedState.from_bytes(_canonical(facts))


def _canonical(facts: object) -> bytes:
    return json.dumps(facts, separators=(",", ":")).encode()


def test_an_old_keyring_put_back_is_noticed() -> None:
    state = TrustedState()
    state.saw_keyring(7)
    state.saw_keyring(7)
    with pytest.raises(ForgedError):
        state.saw_keyring(6)
    assert 7 == TrustedState.from_bytes(state.to_bytes()).keyring_serial


def test_a_state_of_before_keyring_serials_is_read_and_stays_as_it_was() -> None:
    raw = TrustedState(letterhead_serial=3).to_bytes()
    assert b"keyring" not in raw
    assert 0 == TrustedState.from_bytes(raw).keyring_serial
