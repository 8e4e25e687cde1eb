"""CSRF tokens: a form that we did not show in this session is refused."""

import pytest
from werkzeug.datastructures import MultiDict

from protocol.session import form_token
from source_app.forms import LogOutForm, PractiseForm

SESSION = bytes(32)
OTHER_SESSION = bytes([1]) * 32


def _is_accepted(token: str | None) -> bool:
    sent = MultiDict({} if token is None else {"token": token})
    return bool(LogOutForm(sent, session_and_purpose=(SESSION, "log-out")).validate())


def test_a_form_with_the_token_that_was_shown_is_accepted() -> None:
    shown = LogOutForm(session_and_purpose=(SESSION, "log-out")).token.current_token

    assert form_token(SESSION, "log-out") == shown
    assert _is_accepted(shown)


@pytest.mark.parametrize(
    "token", [None, "", "wrong", form_token(OTHER_SESSION, "log-out"), form_token(SESSION, "end")]
)
def test_a_token_that_is_missing_wrong_or_of_another_session_or_form_is_refused(token: str | None) -> None:
    assert not _is_accepted(token)


def test_a_form_of_a_session_is_never_made_without_the_session() -> None:
    with pytest.raises(TypeError):
        LogOutForm(MultiDict({}))


def test_before_a_mailbox_is_open_no_token_is_needed() -> None:
    form = PractiseForm(MultiDict({"words": "x"}))

    assert form.validate()
    assert "token" not in form
