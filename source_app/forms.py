"""WTForms of the source's site: fields and CSRF tokens. `services` checks the meaning of the values."""

from typing import Any

from flask_babel import lazy_gettext
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Form, HiddenField, MultipleFileField, StringField, TextAreaField
from wtforms.validators import InputRequired

from web.csrf import NoTokens, TokenCSRF, Tokens


class OurForm(Form):  # type: ignore[misc]  # wtforms has no types
    """Base class of the forms. A form is only valid in the session in which it was shown (CSRF token)."""

    class Meta:
        """Settings of WTForms: use our CSRF tokens, and do not load the translations of WTForms."""

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
    """Log-in form: the passphrase, and a text that the source typed before an earlier session ended.

    `proposal` is the id of the proposal that the text answers. `proposal` is empty if the text is a message.
    """

    proposal = HiddenField()
    words = StringField(lazy_gettext("Your passphrase"))
    text = TextAreaField()


class PractiseForm(OurForm):
    """Practice form: the typed passphrase, and the encrypted ticket with the passphrase that was shown."""

    ticket = HiddenField()
    words = StringField(lazy_gettext("Your passphrase"))


class EntryForm(OurForm):
    """Base class of the forms that add an entry to a mailbox, with the fields of a `FormContext`."""

    entry_id = HiddenField()
    heads = HiddenField()
    unseen = HiddenField()


class WriteForm(EntryForm):
    """Form of a message.

    Browsers send the text fields before the files, so the app checks the text fields first.
    """

    text = TextAreaField(lazy_gettext("Your message"))
    files = MultipleFileField(lazy_gettext("Files"))


class ConsentForm(EntryForm):
    """Form of an answer to a proposal. Each button sends a different answer."""

    digest = HiddenField()
    sure = BooleanField()
    text = TextAreaField(lazy_gettext("What should be different?"))


class DeleteForm(EntryForm):
    """Form that deletes an entry."""


class LogOutForm(OurForm):
    """Form that logs out. Its only field is the CSRF token."""


class EndForm(EntryForm):
    """Form that ends a mailbox. The source must tick a box as well as press the button."""

    sure = BooleanField(
        lazy_gettext("Yes, delete everything in this mailbox for good"), [InputRequired("not ticked")]
    )
