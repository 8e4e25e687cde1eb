"""Every reason for a refusal has a sentence on the page that shows it."""

import re
from collections.abc import Callable
from enum import StrEnum

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from flask import get_template_attribute, render_template

from source_app import errors, forms
from source_app.errors import AnswerRefusal, MessageRefusal, PassphraseRefusal, TicketRefusal
from source_app.forms import LogInForm, PractiseForm
from source_app.passphrase_typos import PassphraseTypos
from tests.code_lines import ROOT
from tests.pages import hooks
from tests.source_app.desks import ADesk

_SENTENCES_MAX = 3  # of one part of an error, except on the page of a mailbox that is not found


def _of_macro(name: str) -> Callable[[ADesk, StrEnum], str]:
    def render(desk: ADesk, reason: StrEnum) -> str:
        return str(get_template_attribute("_refusals.html", name)(reason, desk.desk.limits))

    return render


def _on_error_page(_desk: ADesk, reason: StrEnum) -> str:
    return render_template("error.html", page_name="error", failure=reason, retry_text=None)


def _on_login_page(_desk: ADesk, reason: StrEnum) -> str:
    page = "begin/log_in" if reason is PassphraseRefusal.NO_MAILBOX else "begin/passphrase"
    form = LogInForm() if reason is PassphraseRefusal.NO_MAILBOX else PractiseForm()
    refusal = reason if reason is PassphraseRefusal.NO_MAILBOX else ""
    return render_template(
        f"{page}.html",
        page_name=page,
        form=form,
        words=("one", "two"),
        refusal=refusal,
        wrong=[1],
        foreign="",
        typos=PassphraseTypos(7, unknown=(1,)),
        was_refused=False,
    )


_RENDER: dict[type[StrEnum], Callable[[ADesk, StrEnum], str]] = {
    MessageRefusal: _of_macro("message_refused"),
    AnswerRefusal: _of_macro("answer_refused"),
    TicketRefusal: _on_error_page,
    PassphraseRefusal: _on_login_page,
}


def test_every_text_that_a_source_types_in_a_mailbox_can_be_warned_about() -> None:
    """The text of the log-in form comes back in one of these forms."""
    typed = {name for name, form in vars(forms).items() if hasattr(form, "text") and form is not LogInForm}

    assert typed == {"WriteForm", "ConsentForm"}
    for name in typed:
        assert hasattr(vars(forms)[name], "warned"), name
    assert {"seven_words"} < set(MessageRefusal) & set(AnswerRefusal)


def test_every_enum_of_reasons_is_checked_here() -> None:
    enums = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, StrEnum)}

    assert enums - {StrEnum} == set(_RENDER)


@pytest.mark.parametrize("reason", [reason for enum in _RENDER for reason in enum], ids=repr)
def test_every_reason_has_a_sentence(a_desk: ADesk, reason: StrEnum) -> None:
    render = _on_error_page if reason is MessageRefusal.GONE else _RENDER[type(reason)]
    with a_desk.app.test_request_context("/en/"):
        a_desk.app.preprocess_request()
        page = render(a_desk, reason)

    assert str(reason) in hooks(page, "refusal") + hooks(page, "failure")


def test_what_happened_what_was_kept_and_what_to_do_are_short_paragraphs() -> None:
    templates = ROOT / "source_app" / "templates"
    files = [(name, "jinja2") for name in ("error.html", "_refusals.html")]
    found = extract_from_dir(templates, files, keywords=DEFAULT_KEYWORDS)
    texts = [form for _, _, forms, *_ in found for form in ([forms] if isinstance(forms, str) else forms)]
    sentences = {text: len(re.findall(r"[.?!](?=\s|$)", text)) for text in texts}

    assert len(sentences) > 90
    long = {text: count for text, count in sentences.items() if count > _SENTENCES_MAX}
    assert list(long.values()) == [5]
    assert "the mailbox still exists" in next(iter(long))


def test_every_transaction_of_the_site_names_its_mailbox() -> None:
    """On PostgreSQL, row security hides the mailbox from a transaction that does not name it (ADR 34)."""
    nameless = re.compile(r"\.(?:reading|writing)\((?![^)]*mailbox=)")
    modules = (ROOT / "source_app").rglob("*.py")
    files = {file.name for file in modules if nameless.search(file.read_text("utf-8"))}

    assert {"published.py"} == files  # letterheads and reports belong to no mailbox
