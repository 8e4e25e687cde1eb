"""Steps: where things stand, what comes next, and the working day on which the source may expect it."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec

from journalist_app.errors import SendRefusal, SendRefusedError
from protocol.content import Content, Kind, StepName, StepNote
from protocol.letterhead import Letterhead

STEP_CHARS: Final = 2_000  # of the adviser's sentence, and of what comes next

# What an adviser sets by hand. The other steps follow from what they do: propose, pass on, close.
MANUAL_STEPS: Final = (
    StepName.RECEIVED,
    StepName.BEING_READ,
    StepName.IN_CONVERSATION,
    StepName.ADVICE_GIVEN,
)


@dataclass(frozen=True, slots=True)
class StepForm:
    """A step as it was typed: its name, the adviser's sentence, what is next, and the day as YYYY-MM-DD.

    The name is empty where the step follows from what is done: proposing, passing on.
    """

    step: str = ""
    text: str = ""
    next: str = ""
    by: str = ""

    @property
    def is_filled(self) -> bool:
        """Say whether a step is meant; the day alone says nothing, since one is proposed."""
        return bool(self.step or self.text.strip() or self.next.strip())

    @property
    def has_words(self) -> bool:
        """Say whether anything was typed, where no day is proposed."""
        return bool(self.text.strip() or self.next.strip() or self.by.strip())


EMPTY_STEP_FORM: Final = StepForm()


def build_manual_step(form: StepForm, letterhead: Letterhead, today: date) -> Content:
    """Return the step that a form asks for.

    Raises:
        StepMissingError: there is a sentence, and no step is chosen.
        StepOverLimitError, DayUnreadableError, DayPastError, DayClosedError: as `in_words` has it.
    """
    if form.step not in {step.value for step in MANUAL_STEPS}:
        raise SendRefusedError(SendRefusal.STEP_MISSING)
    return build_step(form, StepNote(step=StepName(form.step)), letterhead, today)


def build_step(form: StepForm, step: StepNote, letterhead: Letterhead, today: date) -> Content:
    """Return a step with the adviser's sentence, what comes next, and the day to expect it.

    Raises:
        StepOverLimitError: the sentence or what is next is longer than 2,000 characters.
        DayUnreadableError, DayPastError, DayClosedError: the day is none on which something can be expected.
    """
    return Content(
        kind=Kind.STEP,
        text=trim_step_text(form.text),
        step=msgspec.structs.replace(
            step, next=trim_step_text(form.next), by=parse_expected_day(form.by, letterhead, today)
        ),
    )


def trim_step_text(text: str) -> str:
    """Return a sentence as it was typed, without the line ends around it.

    Raises:
        StepOverLimitError: it is longer than 2,000 characters.
    """
    line = text.replace("\r\n", "\n").strip()
    if len(line) > STEP_CHARS:
        raise SendRefusedError(SendRefusal.STEP_TOO_LONG)
    return line


def parse_expected_day(typed: str, letterhead: Letterhead, today: date) -> date | None:
    """Return the day that was typed as YYYY-MM-DD; None where none was.

    A source who comes back on a day on which nobody works finds nothing, and may not come back again.

    Raises:
        DayUnreadableError: it is no day.
        DayPastError: it is over.
        DayClosedError: the desk does not work then.
    """
    if not typed.strip():
        return None
    try:
        day = date.fromisoformat(typed.strip())
    except ValueError as why:
        raise SendRefusedError(SendRefusal.DAY_UNREADABLE) from why
    if day < today:
        raise SendRefusedError(SendRefusal.DAY_PAST)
    if not letterhead.is_working_day(day):
        raise SendRefusedError(SendRefusal.DAY_CLOSED)
    return day
