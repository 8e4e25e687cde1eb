"""Steps of a mailbox that advisers write: the state, what comes next, and the working day to expect it."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec

from journalist_app.errors import SendRefusal, SendRefusedError
from protocol.content import Content, Kind, StepName, StepNote
from protocol.letterhead import Letterhead

STEP_CHARS: Final = 2_000  # of the adviser's sentence, and of the sentence about what comes next

# Steps that an adviser sets by hand. The others follow from an action: propose, pass on, close.
MANUAL_STEPS: Final = (
    StepName.RECEIVED,
    StepName.BEING_READ,
    StepName.IN_CONVERSATION,
    StepName.ADVICE_GIVEN,
)


@dataclass(frozen=True, slots=True)
class StepForm:
    """Step as the adviser typed it: its name, a sentence, what comes next, and the day as YYYY-MM-DD.

    The name is empty where the step follows from an action, such as proposing or passing on.
    """

    step: str = ""
    text: str = ""
    next: str = ""
    by: str = ""

    @property
    def is_filled(self) -> bool:
        """Return whether a step is meant. The day does not count, because the form proposes one."""
        return bool(self.step or self.text.strip() or self.next.strip())

    @property
    def has_words(self) -> bool:
        """Return whether anything was typed, in a form that proposes no day."""
        return bool(self.text.strip() or self.next.strip() or self.by.strip())


EMPTY_STEP_FORM: Final = StepForm()


def build_manual_step(form: StepForm, letterhead: Letterhead, today: date) -> Content:
    """Return the step that an adviser set by hand.

    Raises:
        SendRefusedError: STEP_MISSING: there is a sentence, and no step. Others as `build_step`.
    """
    if form.step not in {step.value for step in MANUAL_STEPS}:
        raise SendRefusedError(SendRefusal.STEP_MISSING)
    return build_step(form, StepNote(step=StepName(form.step)), letterhead, today)


def build_step(form: StepForm, step: StepNote, letterhead: Letterhead, today: date) -> Content:
    """Return a step with the adviser's sentence, what comes next, and the day to expect it.

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
    """Return a typed sentence without the space and line ends around it.

    Raises:
        SendRefusedError: STEP_TOO_LONG: it is longer than 2,000 characters.
    """
    line = text.replace("\r\n", "\n").strip()
    if len(line) > STEP_CHARS:
        raise SendRefusedError(SendRefusal.STEP_TOO_LONG)
    return line


def parse_expected_day(typed: str, letterhead: Letterhead, today: date) -> date | None:
    """Return the day that was typed as YYYY-MM-DD, or None if the field is empty.

    A source who comes back on a day when no one works finds nothing, and may not come back again.

    Raises:
        SendRefusedError: DAY_UNREADABLE, DAY_PAST or DAY_CLOSED.
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
