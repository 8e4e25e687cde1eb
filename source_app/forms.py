"""The shape of what a browser sends; whether it is true is for `services` to judge."""

from typing import Any

from flask_babel import lazy_gettext
from werkzeug.datastructures import MultiDict
from wtforms import (
    BooleanField,
    Form,
    HiddenField,
    MultipleFileField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired

from web.csrf import NoTokens, TokenCSRF, Tokens


class OurForm(Form):  # type: ignore[misc]  # wtforms has no types
    """A form whose token fits the session it was shown in."""

    class Meta:
        """How WTForms is to guard it; it must not look for translations of its own."""

        csrf = True
        csrf_class = TokenCSRF
        csrf_field_name = "token"
        locales = False

    def __init__(
        self, fields: "MultiDict[str, str] | None" = None, *, tokens: Tokens | None = None, **shown: object
    ) -> None:
        meta: dict[str, Any] = {"csrf_context": tokens or NoTokens()}
        super().__init__(fields, data=shown, meta=meta)


class LogInForm(OurForm):
    """The words, and the text that waits while they are typed; `proposal` is the id of what it is about."""

    proposal = HiddenField()
    words = StringField(lazy_gettext("Your passphrase"))
    text = TextAreaField()


class PractiseForm(OurForm):
    """The words typed back, and the sealed ticket that knows them."""

    ticket = HiddenField()
    words = StringField(lazy_gettext("Your passphrase"))


class WriteForm(OurForm):
    """A message. The fields stand before the files, so that they are checked before a file is taken."""

    entry_id = HiddenField()
    seen = HiddenField()
    text = TextAreaField(lazy_gettext("Your message"))
    files = MultipleFileField(lazy_gettext("Files"))


class ConsentForm(OurForm):
    """An answer to a proposal; which answer is told by the button."""

    entry_id = HiddenField()
    seen = HiddenField()
    digest = HiddenField()
    sure = BooleanField()
    text = TextAreaField(lazy_gettext("What should be different?"))


class DeleteForm(OurForm):
    """Nothing but the token."""


class LogOutForm(OurForm):
    """Nothing but the token."""


class EndForm(OurForm):
    """Ending a mailbox wants a second movement of the hand."""

    sure = BooleanField(
        lazy_gettext("Yes, delete everything in this mailbox for good"), [InputRequired("not ticked")]
    )
