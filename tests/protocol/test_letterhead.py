import base64
import json
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedError
from crypto.minisign import SecretKey
from crypto.passphrase import Argon2Params
from protocol.errors import LetterheadRefusal, LetterheadRefusedError
from protocol.identifiers import StrandId
from protocol.letterhead import TRIAL_SALT, Argon2, Letterhead, Report, sign_letterhead, verify_letterhead
from protocol.strand import StrandKey
from tests.protocol.desk_factories import (
    DESK_KEY,
    EPOCH_IDENTITY,
    FINGERPRINT,
    SECOND_IDENTITY,
    a_letterhead,
    a_strand,
    an_absence,
    an_epoch,
)

_VECTORS = json.loads((Path(__file__).parents[1] / "vectors/letterhead_v1.json").read_text("utf-8"))
_DAY = date(2026, 3, 2)  # a Monday
_ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxsFN\n-----END PGP PUBLIC KEY BLOCK-----\n"


def _refusal(
    body: bytes, signature: bytes, at_least_serial: int = 0, same_parameters_as: Letterhead | None = None
) -> LetterheadRefusal:
    with pytest.raises(LetterheadRefusedError) as refused:
        verify_letterhead(
            body,
            signature,
            FINGERPRINT,
            at_least_serial=at_least_serial,
            same_parameters_as=same_parameters_as,
        )
    return refused.value.reason


@pytest.mark.parametrize("vector", _VECTORS["letterheads"], ids=lambda vector: vector["name"])
def test_each_committed_letterhead_ends_as_it_should(vector: dict[str, str]) -> None:
    body, signature = base64.b64decode(vector["body"]), base64.b64decode(vector["signature"])
    if vector["expect"] == "accepted":
        assert body == verify_letterhead(body, signature, _VECTORS["fingerprint"]).to_bytes()
        return
    with pytest.raises(LetterheadRefusedError) as refused:
        verify_letterhead(body, signature, _VECTORS["fingerprint"])
    assert vector["expect"] == refused.value.reason


def test_there_are_vectors() -> None:
    assert len(_VECTORS["letterheads"]) > 10


def test_a_signed_letterhead_is_accepted_as_it_was() -> None:
    letterhead = a_letterhead(
        openpgp_fingerprint="0123456789ABCDEF0123456789ABCDEF01234567",
        reports=(Report(title="Year 2025", published=_DAY, sha256=bytes(32)),),
    )
    assert letterhead == verify_letterhead(
        *sign_letterhead(letterhead, DESK_KEY), FINGERPRINT, at_least_serial=7
    )


def test_a_letterhead_of_another_desk_key_is_forged() -> None:
    assert _refusal(*sign_letterhead(a_letterhead(), SecretKey(bytes(32)))) == LetterheadRefusal.FORGED


@given(st.data())
def test_any_flipped_byte_of_the_body_is_forged(data: st.DataObject) -> None:
    body, signature = sign_letterhead(a_letterhead(), DESK_KEY)
    at = data.draw(st.integers(0, len(body) - 1))
    changed = body[:at] + bytes([body[at] ^ data.draw(st.integers(1, 255))]) + body[at + 1 :]
    assert _refusal(changed, signature) == LetterheadRefusal.FORGED


def test_a_signature_for_another_purpose_is_refused() -> None:
    body = a_letterhead().to_bytes()
    assert _refusal(body, DESK_KEY.sign(body, "another purpose")) == LetterheadRefusal.FORGED


def test_the_serial_in_the_trusted_comment_is_the_true_one() -> None:
    body = a_letterhead().to_bytes()
    assert _refusal(body, DESK_KEY.sign(body, "steunpunt/v1/letterhead 8")) == LetterheadRefusal.FORGED


def test_a_replayed_older_letterhead_is_refused() -> None:
    assert (
        _refusal(*sign_letterhead(a_letterhead(serial=6), DESK_KEY), at_least_serial=7)
        == LetterheadRefusal.OLDER
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"site_salt": b"other 16 bytes.."},
        {"site_salt": TRIAL_SALT},
        {"argon2": Argon2(t=4, m_kib=65_536, p=1)},
        {"argon2": Argon2(t=3, m_kib=8, p=1)},
    ],
)
def test_parameters_that_would_open_other_mailboxes_are_refused(changes: dict[str, object]) -> None:
    newer = sign_letterhead(a_letterhead(serial=8, **changes), DESK_KEY)
    assert _refusal(*newer, same_parameters_as=a_letterhead()) == LetterheadRefusal.OTHER_PARAMETERS


def test_a_trial_desk_cannot_become_a_real_one_even_with_its_own_key() -> None:
    trial = a_letterhead(serial=7, site_salt=TRIAL_SALT)
    real = sign_letterhead(a_letterhead(serial=8), DESK_KEY)
    assert [True, False] == [trial.is_trial, a_letterhead().is_trial]
    assert _refusal(*real, same_parameters_as=trial) == LetterheadRefusal.OTHER_PARAMETERS


def test_a_newer_letterhead_with_the_same_parameters_is_accepted() -> None:
    newer = a_letterhead(serial=8, abandoned_months=12)
    signed = sign_letterhead(newer, DESK_KEY)
    assert newer == verify_letterhead(
        *signed, FINGERPRINT, at_least_serial=7, same_parameters_as=a_letterhead()
    )


@pytest.mark.parametrize("fingerprint", ["", "RW", FINGERPRINT[:-1]])
def test_a_malformed_fingerprint_differs_from_a_forgery(fingerprint: str) -> None:
    with pytest.raises(MalformedError):
        verify_letterhead(*sign_letterhead(a_letterhead(), DESK_KEY), fingerprint)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"version": 2}, id="a version that we do not know"),
        pytest.param({"serial": 0}, id="serial 0"),
        pytest.param({"site_salt": bytes(15)}, id="a short salt"),
        pytest.param({"argon2": Argon2(t=3, m_kib=65_536, p=2)}, id="two lanes"),
        pytest.param({"argon2": Argon2(t=3, m_kib=2**30, p=1)}, id="a terabyte of memory"),
        pytest.param({"epochs": ()}, id="no epoch"),
        pytest.param({"epochs": (an_epoch(2), an_epoch(1, date(2026, 2, 1)))}, id="epochs out of order"),
        pytest.param({"epochs": (an_epoch(1), an_epoch(2))}, id="epochs that overlap"),
        pytest.param({"epochs": (an_epoch(1, date(2026, 3, 3)),)}, id="no epoch has begun"),
        pytest.param(
            {"epochs": (msgspec.structs.replace(an_epoch(), recipient="age1pq1q"),)}, id="no recipient"
        ),
        pytest.param({"strands": ()}, id="no strand"),
        pytest.param({"strands": (a_strand(), a_strand())}, id="two strands of one id"),
        pytest.param({"strands": (a_strand(b"short"),)}, id="a short strand id"),
        pytest.param({"strands": (a_strand(until=date(2025, 1, 1)),)}, id="a strand that ends first"),
        pytest.param({"openpgp_fingerprint": "0123"}, id="a short OpenPGP fingerprint"),
        pytest.param({"openpgp_fingerprint": "0" * 40 + "\n"}, id="a newline after the OpenPGP fingerprint"),
        pytest.param({"working_days": ()}, id="a desk that never works"),
        pytest.param({"working_days": (7,)}, id="an eighth day of the week"),
        pytest.param({"working_days": (1, 0)}, id="days out of order"),
        pytest.param({"working_days": (1, 1)}, id="a day twice"),
        pytest.param({"absences": (an_absence(_DAY, date(2026, 3, 1)),)}, id="an absence that ends first"),
        pytest.param({"absences": (an_absence(_DAY, date(2027, 3, 3)),)}, id="an absence over a year"),
        pytest.param({"answer_working_days": 0}, id="an answer on the same day"),
        pytest.param({"desk_name": {"nl": "x"}}, id="a language missing"),
        pytest.param({"talk": {"nl": "x", "en": ""}}, id="an empty text"),
    ],
)
def test_an_inconsistent_letterhead_is_neither_signed_nor_accepted(changes: dict[str, object]) -> None:
    letterhead = a_letterhead(**changes)
    with pytest.raises(MalformedError):
        sign_letterhead(letterhead, DESK_KEY)
    body = letterhead.to_bytes()
    comment = f"steunpunt/v1/letterhead {letterhead.serial}"
    assert _refusal(body, DESK_KEY.sign(body, comment)) == LetterheadRefusal.MALFORMED


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff", id="not UTF-8"),
        pytest.param(a_letterhead().to_bytes() + b" ", id="a space after it"),
        pytest.param(a_letterhead().to_bytes()[:-1] + b',"motto":"x"}', id="a field that we do not know"),
    ],
)
def test_bytes_that_we_do_not_write_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        Letterhead.from_bytes(body)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Letterhead.from_bytes(raw)


def test_entries_are_encrypted_to_the_newest_epoch() -> None:
    letterhead = a_letterhead(epochs=(an_epoch(), an_epoch(2, date(2026, 2, 1), SECOND_IDENTITY)))
    assert (2, SECOND_IDENTITY.recipient) == letterhead.current_epoch
    assert (1, EPOCH_IDENTITY.recipient) == a_letterhead().current_epoch


def test_every_strand_has_its_days_of_use() -> None:
    until = date(2026, 2, 1)
    letterhead = a_letterhead(strands=(a_strand(), a_strand(b"strand-2", until=until)))
    since = date(2026, 1, 1)
    assert letterhead.strand_keys == {
        StrandId(b"strand-1"): StrandKey(bytes(32), since),
        StrandId(b"strand-2"): StrandKey(bytes(32), since, until),
    }


def test_the_cost_of_a_letterhead_is_used_for_passphrases() -> None:
    assert Argon2Params(t=3, m_kib=65_536, p=1) == a_letterhead().argon2.params


@pytest.mark.parametrize(
    ("changes", "day", "expected"),
    [
        pytest.param({}, _DAY, date(2026, 3, 9), id="Monday to Monday"),
        pytest.param({}, date(2026, 3, 7), date(2026, 3, 13), id="a Saturday does not count"),
        pytest.param({"closed_days": (date(2026, 3, 4),)}, _DAY, date(2026, 3, 10), id="a closed day"),
        pytest.param({"closed_days": (date(2026, 3, 7),)}, _DAY, date(2026, 3, 9), id="closed on a Saturday"),
        pytest.param(
            {"absences": (an_absence(date(2026, 3, 3), date(2026, 3, 5)),)},
            _DAY,
            date(2026, 3, 12),
            id="an absence",
        ),
        pytest.param({"working_days": (1,)}, _DAY, date(2026, 3, 31), id="a desk that works on Tuesdays"),
        pytest.param({"answer_working_days": 1}, _DAY, date(2026, 3, 3), id="by tomorrow"),
    ],
)
def test_an_answer_is_promised_for_a_day_on_which_the_desk_works(
    changes: dict[str, object], day: date, expected: date
) -> None:
    assert expected == a_letterhead(**changes).expect_by(day)


@given(st.dates(date(2026, 1, 1), date(2030, 1, 1)), st.integers(1, 60))
def test_between_question_and_promise_are_the_promised_working_days(day: date, count: int) -> None:
    expected = a_letterhead(answer_working_days=count).expect_by(day)
    days = [day + timedelta(days=after) for after in range(1, (expected - day).days + 1)]
    assert count == sum(between.weekday() < 5 for between in days)
    assert expected.weekday() < 5


# ---- the desk's days


def test_the_desk_works_in_its_week_unless_it_is_closed_or_away() -> None:
    letterhead = a_letterhead(
        working_days=(0, 1, 3),
        closed_days=(_DAY + timedelta(days=1),),
        absences=(an_absence(_DAY + timedelta(days=7), _DAY + timedelta(days=8)),),
    )
    works = [ahead for ahead in range(14) if letterhead.is_working_day(_DAY + timedelta(days=ahead))]
    assert works == [0, 3, 10]
    assert letterhead.working_days_after(_DAY, 1) == _DAY + timedelta(days=3)
    assert letterhead.working_days_after(_DAY, 2) == _DAY + timedelta(days=10)
    assert letterhead.working_days_after(_DAY, 0) == _DAY
    assert letterhead.working_days_between(_DAY, _DAY + timedelta(days=10)) == 2
    assert letterhead.working_days_between(_DAY, _DAY) == 0
    assert letterhead.working_days_between(_DAY, _DAY - timedelta(days=10)) == 0


@given(st.dates(date(2026, 1, 1), date(2030, 1, 1)), st.integers(1, 40))
def test_counting_working_days_forward_and_back_agrees(day: date, count: int) -> None:
    letterhead = a_letterhead(working_days=(0, 3), closed_days=(date(2026, 12, 24), date(2027, 5, 6)))
    until = letterhead.working_days_after(day, count)
    assert letterhead.is_working_day(until)
    assert letterhead.working_days_between(day, until) == count


def test_working_days_are_counted_for_a_century_at_most() -> None:
    letterhead = a_letterhead(working_days=tuple(range(7)))
    assert letterhead.working_days_between(date.min, date.max) == 36_525
    assert letterhead.working_days_between(date(2000, 1, 1), date(2099, 1, 1)) == 36_160


def test_a_day_at_the_end_of_the_calendar_is_counted_no_further() -> None:
    assert a_letterhead().expect_by(date.max) == date.max
    last = a_letterhead(issued=date.max - timedelta(days=3), working_days=(3, 4))
    assert last == verify_letterhead(*sign_letterhead(last, DESK_KEY), FINGERPRINT)


@pytest.mark.parametrize(
    "changes",
    [
        {"absences": tuple(an_absence(_DAY.replace(year=y), _DAY.replace(year=y + 1)) for y in (2026, 2027))},
        {"working_days": (0,), "closed_days": tuple(_DAY + timedelta(weeks=week) for week in range(60))},
        {"issued": date.max},
    ],
    ids=["away all year", "closed on every day of its week", "the last day of the calendar"],
)
def test_a_calendar_with_no_working_day_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        sign_letterhead(a_letterhead(**changes), DESK_KEY)


def test_a_year_away_that_ends_with_a_working_day_is_a_calendar() -> None:
    away = (an_absence(_DAY, _DAY + timedelta(days=365)),)
    letterhead = a_letterhead(absences=away, working_days=tuple(range(7)))
    assert letterhead.expect_by(_DAY) == _DAY + timedelta(days=370)
    assert sign_letterhead(letterhead, DESK_KEY)


# ---- newer fields


def test_a_letterhead_without_the_newer_fields_is_written_as_it_was() -> None:
    assert b"openpgp_key" not in a_letterhead().to_bytes()
    assert b"retention_days" not in a_letterhead().to_bytes()


def test_a_closed_mailbox_is_kept_as_long_as_the_letterhead_says() -> None:
    assert a_letterhead().deletes_after_days == 90
    assert a_letterhead(retention_days=30).deletes_after_days == 30


def test_an_openpgp_key_needs_its_fingerprint() -> None:
    letterhead = a_letterhead(openpgp_fingerprint="0" * 40, openpgp_key=_ARMOUR)
    assert letterhead == verify_letterhead(*sign_letterhead(letterhead, DESK_KEY), FINGERPRINT)


@pytest.mark.parametrize(
    "changes",
    [
        {"openpgp_fingerprint": None, "openpgp_key": _ARMOUR},
        {"openpgp_key": "a key"},
        {"openpgp_key": _ARMOUR.replace("PUBLIC", "PRIVATE")},
        {"openpgp_key": _ARMOUR + "\n"},
        {"openpgp_key": _ARMOUR.replace("xsFN", "xsF\N{LATIN SMALL LETTER E WITH ACUTE}")},
        {"openpgp_key": _ARMOUR.replace("xsFN", "x" * 100_000)},
        {"retention_days": 0},
        {"retention_days": 3651},
    ],
    ids=[
        "no fingerprint",
        "no armour",
        "a secret key",
        "something after it",
        "not ASCII",
        "too large",
        "no retention",
        "retention without end",
    ],
)
def test_newer_fields_have_limits_too(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        sign_letterhead(a_letterhead(**({"openpgp_fingerprint": "0" * 40} | changes)), DESK_KEY)


def test_a_successor_is_newer_and_otherwise_the_same() -> None:
    before = a_letterhead()
    after = before.successor(closed_days=(_DAY,))
    assert (after.serial, after.closed_days) == (before.serial + 1, (_DAY,))
    assert before == msgspec.structs.replace(after, serial=before.serial, closed_days=())
    assert not after.is_working_day(_DAY)
    assert before.is_working_day(_DAY)
