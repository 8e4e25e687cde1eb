"""WTForms of the source's site: fields and tokens. `services` checks the meaning."""

from typing import Any

from flask_babel import lazy_gettext
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Form, HiddenField, MultipleFileField, StringField, TextAreaField
from wtforms.validators import InputRequired

from web.csrf import NoTokens, TokenCSRF, Tokens


class OurForm(Form):  # type: ignore[misc]  # wtforms has no types
    """Form with a token of the session in which it was shown."""

    class Meta:
        """WTForms settings: our CSRF tokens, and no translations of WTForms itself."""

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
    """Log-in form with the passphrase, and a text that was typed before the session ended.

    `proposal` is the id of the proposal that the text is about, or empty.
    """

    proposal = HiddenField()
    words = StringField(lazy_gettext("Your passphrase"))
    text = TextAreaField()


class PractiseForm(OurForm):
    """Practice form with the typed passphrase and the encrypted ticket that contains the right one."""

    ticket = HiddenField()
    words = StringField(lazy_gettext("Your passphrase"))


class WriteForm(OurForm):
    """Form of a message. The fields come before the files, so that they are checked before a file is read."""

    entry_id = HiddenField()
    seen = HiddenField()
    text = TextAreaField(lazy_gettext("Your message"))
    files = MultipleFileField(lazy_gettext("Files"))


class ConsentForm(OurForm):
    """Form of an answer to a proposal. The button that is pressed sends the answer."""

    entry_id = HiddenField()
    seen = HiddenField()
    digest = HiddenField()
    sure = BooleanField()
    text = TextAreaField(lazy_gettext("What should be different?"))


class DeleteForm(OurForm):
    """Form that deletes an entry: only a token."""


class LogOutForm(OurForm):
    """Form that logs out: only a token."""


class EndForm(OurForm):
    """Form that ends a mailbox: the source must tick a box as well as press the button."""

    sure = BooleanField(
        lazy_gettext("Yes, delete everything in this mailbox for good"), [InputRequired("not ticked")]
    )
