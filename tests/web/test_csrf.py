"""CSRF tokens: a form that we did not show in this session is refused."""

from werkzeug.datastructures import MultiDict
from wtforms import Form, StringField

from web.csrf import NoTokens, TokenCSRF


class Fixed:
    def make(self) -> str:
        return "right"

    def fits(self, token: str) -> bool:
        return token == "right"


class AForm(Form):  # type: ignore[misc]  # wtforms has no types
    class Meta:
        csrf = True
        csrf_class = TokenCSRF

    text = StringField()


def test_a_form_with_the_token_that_was_shown_is_accepted() -> None:
    assert AForm(meta={"csrf_context": Fixed()}).csrf_token.current_token == "right"
    assert AForm(MultiDict({"csrf_token": "right"}), meta={"csrf_context": Fixed()}).validate()


def test_a_wrong_or_missing_token_is_refused() -> None:
    assert not AForm(MultiDict({"csrf_token": "wrong"}), meta={"csrf_context": Fixed()}).validate()
    assert not AForm(MultiDict({}), meta={"csrf_context": Fixed()}).validate()


def test_before_a_mailbox_is_open_no_token_is_needed() -> None:
    form = AForm(MultiDict({"text": "x"}), meta={"csrf_context": NoTokens()})

    assert form.validate()
    assert form.csrf_token.current_token == ""
