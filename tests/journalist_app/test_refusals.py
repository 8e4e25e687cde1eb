"""Every reason for a refusal has a sentence on the page that shows it."""

from enum import StrEnum
from pathlib import Path

import pytest

from journalist_app import errors
from journalist_app.errors import (
    CalendarRefusal,
    CasefileRefusal,
    ConversionRefusal,
    DeskTextsRefusal,
    FileRefusal,
    KeysRefusal,
    PassOnRefusal,
    ReportRefusal,
    SendRefusal,
    UnlockRefusal,
)

TEMPLATES = Path(errors.__file__).with_name("templates")
TABLES: dict[type[StrEnum], tuple[str, ...]] = {
    CalendarRefusal: ("calendar/show.html",),
    CasefileRefusal: ("casefile/show.html",),
    DeskTextsRefusal: ("about/texts.html",),
    ConversionRefusal: ("look/_refused.html",),
    KeysRefusal: ("keys/_words.html",),
    FileRefusal: ("thread/_refused.html",),
    PassOnRefusal: ("thread/_refused.html", "proposals/write.html", "proposals/show.html"),
    ReportRefusal: ("reports/_words.html",),
    SendRefusal: (
        "thread/_answer_refused.html",
        "thread/_answer_form.html",
        "thread/_step_fields.html",
        "thread/_step_words.html",
    ),
    UnlockRefusal: ("unlock/show.html",),
}


def test_every_enum_of_reasons_is_checked_here() -> None:
    enums = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, StrEnum)}

    assert enums - {StrEnum} == set(TABLES)


@pytest.mark.parametrize("reason", [reason for enum in TABLES for reason in enum], ids=repr)
def test_every_reason_has_a_sentence(reason: StrEnum) -> None:
    words = "".join((TEMPLATES / name).read_text("utf-8") for name in TABLES[type(reason)])

    assert f'"{reason}"' in words


@pytest.mark.parametrize("reason", FileRefusal)
def test_every_reason_not_to_give_a_file_has_a_sentence_on_a_page_of_its_own(reason: FileRefusal) -> None:
    assert f'"{reason}"' in (TEMPLATES / "refusal.html").read_text("utf-8")
