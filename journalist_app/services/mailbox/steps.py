"""Steps that advisers write in a mailbox: its status, what comes next, and on which working day."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec

from journalist_app.errors import SendRefusal, SendRefusedError
from protocol.content import Content, Kind, StepName, StepNote
from protocol.letterhead import Letterhead
from web.dates import read_day
from web.normal_text import trim

STEP_CHARS: Final = 2_000  # limit of the step's sentence, and of the sentence about what comes next

# Steps that an adviser chooses in a form. Other steps follow from an action: propose, pass on, close.
MANUAL_STEPS: Final = (
    StepName.RECEIVED,
    StepName.BEING_READ,
    StepName.IN_CONVERSATION,
    StepName.ADVICE_GIVEN,
)


@dataclass(frozen=True, slots=True)
class StepForm:
    """Fields of a step as the adviser typed them. A step tells the source what the desk did and will do next.

    `step` is empty if the step follows from an action, such as passing on a text. `by` is the expected day,
    as YYYY-MM-DD.
    """

    step: str = ""
    text: str = ""
    next: str = ""
    by: str = ""

    @property
    def is_filled(self) -> bool:
        """Return True if the adviser filled in a step. The day does not count: the form suggests a day."""
        return bool(self.step or trim(self.text) or trim(self.next))

    @property
    def has_words(self) -> bool:
        """Return True if the adviser typed a sentence, a next step or a day.

        For a form that suggests a day, use `is_filled`, which ignores the day.
        """
        return bool(trim(self.text) or trim(self.next) or self.by.strip())


EMPTY_STEP_FORM: Final = StepForm()


def build_manual_step(form: StepForm, letterhead: Letterhead, today: date) -> Content:
    """Build the content of a step that an adviser chose in the form.

    A step is a statement to the source that says what the desk has done and what happens next.

    Raises:
        SendRefusedError: no step was chosen, a text is too long, or the day is invalid.
    """
    if form.step not in {step.value for step in MANUAL_STEPS}:
        raise SendRefusedError(SendRefusal.STEP_MISSING)
    return build_step(form, StepNote(step=StepName(form.step)), letterhead, today)


def build_step(form: StepForm, step: StepNote, letterhead: Letterhead, today: date) -> Content:
    """Build the content of a step: the adviser's sentence, what comes next, and the expected day.

    A step tells the source what the desk has done.

    Raises:
        SendRefusedError: STEP_TOO_LONG, or DAY_UNREADABLE, DAY_PAST or DAY_CLOSED.
    """
    following, day = trim_step_text(form.next), parse_expected_day(form.by, letterhead, today)
    return Content(
        kind=Kind.STEP,
        text=trim_step_text(form.text),
        step=msgspec.structs.replace(step, next=following, by=day),
    )


def trim_step_text(text: str) -> str:
    """Return the sentence that an adviser typed for a step, without the white space around it.

    Raises:
        SendRefusedError: STEP_TOO_LONG: the sentence is longer than 2,000 characters.
    """
    line = trim(text.replace("\r\n", "\n"))
    if len(line) > STEP_CHARS:
        raise SendRefusedError(SendRefusal.STEP_TOO_LONG)
    return line


def parse_expected_day(typed: str, letterhead: Letterhead, today: date) -> date | None:
    """Parse the expected day of the next step, typed as YYYY-MM-DD. An empty field gives None.

    Raises:
        SendRefusedError: the text is not a day, the day is past, or the desk does not work on this day.
    """
    # A source who comes back on a closed day finds no answer, and perhaps never comes back again.
    if not typed.strip():
        return None
    try:
        day = read_day(typed)
    except ValueError as why:
        raise SendRefusedError(SendRefusal.DAY_UNREADABLE) from why
    if day < today:
        raise SendRefusedError(SendRefusal.DAY_PAST)
    if not letterhead.is_working_day(day):
        raise SendRefusedError(SendRefusal.DAY_CLOSED)
    return day
