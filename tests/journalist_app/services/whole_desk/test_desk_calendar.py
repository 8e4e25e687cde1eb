"""The desk's calendar, which a new signed letterhead publishes, and forms that a locked app keeps."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import CalendarRefusedError, LetterheadMovedError, UnsentRefusedError
from journalist_app.services.closing import close_mailbox
from journalist_app.services.records import drafts, unsent_forms
from journalist_app.services.whole_desk import desk_calendar, publish_letterhead, unlocking
from journalist_app.services.whole_desk.desk_calendar import Calendar
from protocol.letterhead import verify_letterhead
from protocol.sealed_record import RecordKind, seal_unsent
from store import letterheads as stored_letterheads
from store import records
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_source

DAY = timedelta(days=1)


def unlocked(world: World) -> OpenDesk:
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def test_a_calendar_is_published_signed_and_in_use_at_once(world: World) -> None:
    desk = unlocked(world)
    wanted = Calendar((1, 4), (TODAY + DAY,), ((TODAY, TODAY + 3 * DAY),), 4, 6, 2, 30, 6)

    desk_calendar.publish_calendar(desk, 1, wanted, TODAY)

    with world.store.reading() as session:
        latest = stored_letterheads.latest(session)
    assert latest is not None
    published = verify_letterhead(latest[1], latest[2], world.config.fingerprint)
    assert (2, (1, 4), (TODAY + DAY,), 4, 6, 2, 30, 6) == (
        published.serial, published.working_days, published.closed_days,
        published.answer_working_days, published.confirm_days, published.substance_months,
        published.deletes_after_days, published.abandoned_months,
    )  # fmt: skip
    assert wanted == desk_calendar.current_calendar(desk, TODAY)
    assert 2 == unlocked(world).trusted_state.letterhead_serial


def test_days_that_are_over_still_count_after_a_new_calendar_and_no_promise_moves(world: World) -> None:
    """An adviser who returns from leave must not move a source's expected day forward."""
    desk = unlocked(world)
    holiday, leave = TODAY + DAY, (TODAY + 4 * DAY, TODAY + 10 * DAY)
    kept = desk_calendar.current_calendar(desk, TODAY)
    desk_calendar.publish_calendar(desk, 1, replace(kept, closed_days=(holiday,), absences=(leave,)), TODAY)
    promised = desk.letterhead.expect_by(TODAY)
    between = desk.letterhead.working_days_between(TODAY, promised)
    back = TODAY + 11 * DAY

    shown = desk_calendar.current_calendar(desk, back)
    desk_calendar.publish_calendar(desk, 2, replace(shown, confirm_days=5), back)

    assert ((), ()) == (shown.closed_days, shown.absences)
    assert promised == desk.letterhead.expect_by(TODAY)
    assert between == desk.letterhead.working_days_between(TODAY, promised)


def test_an_absence_that_ended_early_is_kept_as_long_as_it_was(world: World) -> None:
    desk = unlocked(world)
    kept = desk_calendar.current_calendar(desk, TODAY)
    desk_calendar.publish_calendar(desk, 1, replace(kept, absences=((TODAY, TODAY + 9 * DAY),)), TODAY)

    back = TODAY + 5 * DAY
    shortened = replace(desk_calendar.current_calendar(desk, back), absences=((TODAY, back - DAY),))
    desk_calendar.publish_calendar(desk, 2, shortened, back)

    assert [(TODAY, back - DAY)] == [(each.since, each.until) for each in desk.letterhead.absences]


def test_of_what_is_over_no_more_is_kept_than_is_counted_by(world: World) -> None:
    desk = unlocked(world)
    long_ago = date(TODAY.year - 3, 12, 31)
    kept = desk_calendar.current_calendar(desk, TODAY)
    over = tuple(TODAY - n * DAY for n in range(499, 0, -1))
    times = tuple((day, day) for day in over[:49])
    desk_calendar.publish_calendar(
        desk, 1, replace(kept, closed_days=(long_ago, *over), absences=((long_ago, long_ago), *times)), TODAY
    )
    desk_calendar.publish_calendar(desk, 2, desk_calendar.current_calendar(desk, TODAY), TODAY)
    assert (over, 49) == (desk.letterhead.closed_days, len(desk.letterhead.absences))

    ahead = tuple(TODAY + n * DAY for n in range(250))
    desk_calendar.publish_calendar(desk, 3, replace(kept, closed_days=ahead), TODAY)
    desk_calendar.publish_calendar(desk, 4, kept, TODAY + 250 * DAY)
    assert (*over[-250:], *ahead) == desk.letterhead.closed_days  # the newest, as many as there is room for


def test_of_two_workstations_the_second_is_told_and_publishes_nothing(world: World) -> None:
    first, second = unlocked(world), unlocked(world)
    kept = desk_calendar.current_calendar(first, TODAY)
    desk_calendar.publish_calendar(first, 1, replace(kept, confirm_days=5), TODAY)

    with pytest.raises(LetterheadMovedError):
        desk_calendar.publish_calendar(second, 1, replace(kept, confirm_days=9), TODAY)
    with pytest.raises(LetterheadMovedError):
        desk_calendar.publish_calendar(first, 1, replace(kept, confirm_days=9), TODAY)  # a form from before

    assert 5 == unlocked(world).letterhead.confirm_days


def test_a_store_without_letterhead_takes_no_successor(world: World) -> None:
    desk = unlocked(world)
    world.execute("DELETE FROM letterhead")

    with world.store.writing() as session, pytest.raises(LetterheadMovedError):
        publish_letterhead.sign_next_letterhead(desk, session)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"working_days": ()}, "no_working_day"),
        ({"working_days": (7,)}, "no_working_day"),
        (
            {"absences": ((TODAY, TODAY + 365 * DAY), (TODAY + 365 * DAY, TODAY + 500 * DAY))},
            "no_working_day",
        ),
        ({"absences": ((TODAY, TODAY - DAY),)}, "absence"),
        ({"absences": ((TODAY, TODAY + 366 * DAY),)}, "absence"),
        ({"absences": ((TODAY, TODAY),) * 51}, "too_many"),
        ({"closed_days": tuple(TODAY + n * DAY for n in range(501))}, "too_many"),
        ({"answer_working_days": 0}, "numbers"),
        ({"confirm_days": 61}, "numbers"),
        ({"substance_months": 121}, "numbers"),
        ({"retention_days": 0}, "numbers"),
        ({"retention_days": 366}, "numbers"),
        ({"abandoned_months": 0}, "numbers"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused_and_nothing_changes(
    world: World, changes: dict[str, object], reason: str
) -> None:
    desk = unlocked(world)

    with pytest.raises(CalendarRefusedError) as told:
        desk_calendar.publish_calendar(
            desk, 1, replace(desk_calendar.current_calendar(desk, TODAY), **changes), TODAY
        )  # type: ignore[arg-type]  # fields by name

    assert reason == told.value.reason
    assert 1 == unlocked(world).letterhead.serial


def test_the_public_holidays_are_those_of_the_netherlands_to_the_end_of_next_year() -> None:
    ahead = desk_calendar.holidays_ahead(TODAY, "nl")

    assert "Eerste kerstdag" == ahead[date(2026, 12, 25)]
    assert "Koningsdag" == desk_calendar.holiday_name(date(2027, 4, 27), "nl")
    assert "Christmas Day" == desk_calendar.holiday_name(date(2026, 12, 25), "en")
    assert "" == desk_calendar.holiday_name(TODAY, "nl")
    assert TODAY <= min(ahead)
    assert date(2027, 12, 26) == max(ahead)


def test_holidays_that_run_out_are_told_two_months_before(world: World) -> None:
    desk = unlocked(world)
    kept = desk_calendar.current_calendar(desk, TODAY)
    assert desk_calendar.last_closed_day(desk, TODAY) is None  # none at all: this desk meant it so

    last = TODAY + 200 * DAY
    desk_calendar.publish_calendar(desk, 1, replace(kept, closed_days=(TODAY + DAY, last)), TODAY)

    told = [desk_calendar.last_closed_day(desk, last - days * DAY) for days in (60, 59, 0, -9)]
    assert [None, last, last, last] == told


def test_a_shorter_retention_holds_for_what_is_closed_from_then_on(world: World) -> None:
    desk = unlocked(world)
    desk_calendar.publish_calendar(
        desk, 1, replace(desk_calendar.current_calendar(desk, TODAY), retention_days=10), TODAY
    )

    due = {close_mailbox.choose_deletion_day(desk, TODAY) for _ in range(200)}

    assert due <= {TODAY + days * DAY for days in range(10, 18)}
    assert len(due) > 1


def test_days_are_read_one_a_line_with_the_name_of_the_holiday_in_either_language() -> None:
    typed = "2026-12-25 Eerste kerstdag\n\n 2026-12-26\tSecond Day of  Christmas\r\n20270101, 2027-W01-2"

    days = (date(2026, 12, 25), date(2026, 12, 26), date(2027, 1, 1), date(2027, 1, 5))
    assert days == desk_calendar.parse_days(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "kerst", "2026-02-30", "25-12-2026", "2027-07-05 - 2027-07-09", "2027-07-05 t/m 2027-07-09",
        "2027-07-05 until 9 July", "2027-07-05 tot vrijdag", "2027-07-05/2027-07-09",
        "2027-07-05 2027-07-06", "2027-07-05..2027-07-09", "2027-07-05; 2027-07-06", "2027-07-05 closed",
        "2026-12-25 Eerste kerstdag 2026-12-26", "2027-W27", "2027-07-05 Eerste kerstdag",
    ],
)  # fmt: skip
def test_a_line_of_the_calendar_is_read_whole_or_refused(typed: str) -> None:
    with pytest.raises(CalendarRefusedError, match="days"):
        desk_calendar.parse_days(typed)


# ---- what meets a locked app


def test_a_form_of_many_fields_that_meets_a_locked_app_is_kept_whole(world: World) -> None:
    fields = {f"since-{number}": "2027-01-01" for number in range(100)}

    keep(world, "/calendar", **fields)

    assert 100 == len(unsent_forms.list_unsent(unlocked(world))[0].texts)


def keep(world: World, path: str = "/reply-templates", **fields: str) -> None:
    unsent_forms.keep_unsent(world.store, world.config, path, fields.items(), TODAY)


def test_a_form_that_meets_a_locked_app_is_sealed_and_offered_after_unlocking(world: World) -> None:
    source = a_source(world)
    path = f"/mailbox/{source.address}/answer"
    keep(world, path, token="t" * 64, entry_id="ab" * 16, text="canary-tekst", empty="")

    with world.store.reading() as session:
        (record,) = records.all_records(session, RecordKind.UNSENT)
    (form,) = unsent_forms.list_unsent(unlocked(world))

    assert b"canary" not in record.sealed
    assert (path, TODAY, source.keys.address) == (form.path, form.day, form.address)
    assert (("text", "canary-tekst"),) == form.texts


@pytest.mark.parametrize("path", ["/reply-templates", "/mailbox/zz/answer", "/mailbox/abcd/answer"])
def test_a_form_about_no_mailbox_makes_no_draft_and_stays(world: World, path: str) -> None:
    keep(world, path, text="tekst")
    desk = unlocked(world)
    (form,) = unsent_forms.list_unsent(desk)

    assert form.address is None
    assert unsent_forms.make_draft(desk, form.name) is None
    assert 1 == unsent_forms.count_unsent(desk)


def test_a_form_that_is_gone_makes_no_draft(world: World) -> None:
    assert unsent_forms.make_draft(unlocked(world), "00" * 16) is None


def test_its_longest_text_comes_behind_the_draft_that_was_kept(world: World) -> None:
    source = a_source(world)
    desk = unlocked(world)
    drafts.keep_draft(desk, source.keys.address, "eerst")
    path = f"/mailbox/{source.address}/answer"
    keep(world, path, text="daarna meer", step="x")
    keep(world, path, text="daarna meer")

    for form in unsent_forms.list_unsent(desk):
        assert source.keys.address == unsent_forms.make_draft(desk, form.name)

    assert "eerst\n\ndaarna meer" == drafts.read_draft(desk, source.keys.address)
    assert 0 == unsent_forms.count_unsent(desk)


def test_a_form_without_words_leaves_the_draft_alone(world: World) -> None:
    source = a_source(world)
    desk = unlocked(world)
    keep(world, f"/mailbox/{source.address}/answer", token="x")
    (form,) = unsent_forms.list_unsent(desk)

    unsent_forms.make_draft(desk, form.name)

    assert "" == drafts.read_draft(desk, source.keys.address)


def test_what_the_adviser_is_done_with_is_forgotten(world: World) -> None:
    keep(world, text="tekst")
    desk = unlocked(world)

    unsent_forms.drop_unsent(desk, unsent_forms.list_unsent(desk)[0].name)

    assert () == unsent_forms.list_unsent(desk)


def test_no_more_is_kept_than_fits(world: World) -> None:
    with pytest.raises(UnsentRefusedError):
        keep(world, text="x" * 700_001)
    for _ in range(unsent_forms.UNSENT_MAX):
        keep(world, text="tekst")
    with pytest.raises(UnsentRefusedError):
        keep(world, text="tekst")


@pytest.mark.parametrize("how", ["missing", "forged"])
def test_nothing_is_sealed_to_a_letterhead_that_is_not_this_desks(world: World, how: str) -> None:
    world.execute("DELETE FROM letterhead" if how == "missing" else "UPDATE letterhead SET body = x'7b7d'")

    with pytest.raises(UnsentRefusedError):
        keep(world, text="tekst")


@pytest.mark.parametrize("body", [b"no form", b"{}"])
def test_what_this_app_did_not_make_is_left_out(world: World, body: bytes) -> None:
    with world.store.writing() as session:
        records.put(
            session, RecordKind.UNSENT, b"n" * 16, 1, seal_unsent(body, world.letterhead), goes_to_peers=False
        )
        records.put(session, RecordKind.UNSENT, b"m" * 16, 1, b"not sealed", goes_to_peers=False)

    assert () == unsent_forms.list_unsent(unlocked(world))
