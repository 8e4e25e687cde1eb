"""WTForms of the source's site: only their fields. `services` checks the tokens and the values."""

from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Form, HiddenField, MultipleFileField, TextAreaField
from wtforms.validators import InputRequired

from protocol.content import TEXT_CHARS
from source_app.page_language import lazy_gettext
from web.form_limits import HEADS_BYTES, TOKEN_BYTES

# The most bytes of the fields of our forms, for `web.form_limits.takes`. A character takes up to four bytes.
TEXT_BYTES = 4 * TEXT_CHARS
WORDS_BYTES = 800
PLACE_BYTES = 128
ENTRY_FIELDS = {"token": TOKEN_BYTES, "entry_id": TOKEN_BYTES, "heads": HEADS_BYTES}
TYPED_FIELDS = {"mailbox": TOKEN_BYTES, "text": TEXT_BYTES}
TEXT_FIELDS = {**ENTRY_FIELDS, **TYPED_FIELDS, "kept": TOKEN_BYTES, "warned": TOKEN_BYTES}
WRITE_FIELDS = {**TEXT_FIELDS, "closed": TOKEN_BYTES}
_ANY_SCRIPT = {"dir": "auto"}  # each line is shown in its own direction


class OurForm(Form):  # type: ignore[misc]  # wtforms has no types
    """Base class of the forms of the source's site. Forms for visitors without a session have no CSRF token.

    The check of the Origin header protects the forms without a token.
    """

    class Meta:
        """Settings of WTForms: do not load the translations of WTForms."""

        locales = False

    def __init__(self, fields: "MultiDict[str, str] | None" = None, /, **shown: object) -> None:
        super().__init__(fields, data=shown)
        # A form and its fields refer to each other, so a typed passphrase would stay in memory until Python's
        # garbage collector ran. Without the way back, the passphrase is freed when the request ends.
        for field in self:
            field._form = None  # noqa: SLF001  # wtforms has no other way


class PassphraseForm(OurForm):
    """Base class of the forms with a passphrase.

    If the site was too busy for an earlier attempt, `place` has the visitor's encrypted place in the queue.
    """

    place = HiddenField()
    words = TextAreaField(lazy_gettext("Your passphrase"))


class LogInForm(PassphraseForm):
    """Log-in form with the passphrase, and with a text that the source typed before a session ended.

    `proposal` is the id of the proposal that the text answers, or empty. `mailbox` is a tag of the mailbox
    in which the text was typed.
    """

    proposal = HiddenField()
    mailbox = HiddenField()
    text = TextAreaField(render_kw=_ANY_SCRIPT)


class PractiseForm(PassphraseForm):
    """Form on which a source types a new passphrase again, to practise it.

    `ticket` is a hidden field with the new passphrase, encrypted.
    """

    ticket = HiddenField()
    words = TextAreaField(lazy_gettext("Type the words from your paper"))


class EntryForm(OurForm):
    """Base class of the forms that add an entry to a mailbox, with the hidden fields of a `FormContext`."""

    token = HiddenField()
    entry_id = HiddenField()
    heads = HiddenField()


class WriteForm(EntryForm):
    """Form with which a source writes a message and adds files.

    `mailbox` is a tag of the mailbox. `closed` is set if the page said that the mailbox is closed. `kept` is
    set if the page showed an unsent text. `warned` is set if the page said that the text looks like a
    passphrase.
    """

    mailbox = HiddenField()
    kept = HiddenField()
    closed = HiddenField()
    warned = HiddenField()
    text = TextAreaField(lazy_gettext("Your message"), render_kw=_ANY_SCRIPT)
    files = MultipleFileField(lazy_gettext("Files"))


class ConsentForm(EntryForm):
    """Form with which a source answers a proposal of the desk. Each button sends a different answer.

    `mailbox` is a tag of the mailbox. `kept` is set if the page showed an unsent text. `warned` is set if the
    page said that the text looks like a passphrase.
    """

    mailbox = HiddenField()
    kept = HiddenField()
    warned = HiddenField()
    digest = HiddenField()
    sure = BooleanField()
    text = TextAreaField(lazy_gettext("What should be different?"), render_kw=_ANY_SCRIPT)


class DeleteForm(EntryForm):
    """Form with which a source deletes one entry of their mailbox."""


class EndForm(EntryForm):
    """Form with which a source ends their mailbox. The source must tick a box as well as press the button."""

    sure = BooleanField(
        lazy_gettext("Yes, delete everything in this mailbox for good"), [InputRequired("not ticked")]
    )
