"""WTForms of the source's site: fields and CSRF tokens. `services` checks the meaning of the values."""

from flask_babel import lazy_gettext
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Form, HiddenField, MultipleFileField, StringField, TextAreaField
from wtforms.csrf.core import CSRF, CSRFTokenField
from wtforms.validators import InputRequired, ValidationError

from protocol.session import check_form_token, form_token


class SessionCSRF(CSRF):  # type: ignore[misc]  # wtforms has no types
    """CSRF protection of a form, whose token is valid for one purpose in one session of a source."""

    def setup_form(self, form: Form) -> list[tuple[str, object]]:
        """Get the session's token and the purpose from the form's settings, and set up the CSRF field."""
        self._session_and_purpose = form.meta.csrf_context
        return super().setup_form(form)  # type: ignore[no-any-return]  # wtforms has no types

    def generate_csrf_token(self, csrf_token_field: CSRFTokenField) -> str:  # noqa: ARG002  # WTForms's shape
        """Return the CSRF token for the form's hidden field."""
        return form_token(*self._session_and_purpose)

    def validate_csrf_token(self, form: Form, field: CSRFTokenField) -> None:  # noqa: ARG002  # WTForms
        """Check the submitted CSRF token, to refuse a form that this site did not show in this session.

        Raises:
            ValidationError: the token does not belong to this form.
        """
        if not check_form_token(field.data or "", *self._session_and_purpose):
            raise ValidationError("csrf")


class OurForm(Form):  # type: ignore[misc]  # wtforms has no types
    """Base class of the forms. A form is only valid in the session in which it was shown (CSRF token).

    `session_and_purpose` has the token in the cookie of the session, and the purpose of the form.
    """

    class Meta:
        """Settings of WTForms: use our CSRF tokens, and do not load the translations of WTForms."""

        csrf = True
        csrf_class = SessionCSRF
        csrf_field_name = "token"
        locales = False

    def __init__(
        self,
        fields: "MultiDict[str, str] | None" = None,
        *,
        session_and_purpose: tuple[bytes, str] | None = None,
        **shown: object,
    ) -> None:
        super().__init__(fields, data=shown, meta={"csrf_context": session_and_purpose})


class SessionlessForm(OurForm):
    """Base class of the forms that a visitor sends without a session, and so without a CSRF token.

    A form without a session gives an attacker no session to misuse. The check of the Origin header protects
    these forms against other sites.
    """

    class Meta:
        """Settings of WTForms: no CSRF token."""

        csrf = False


class LogInForm(SessionlessForm):
    """Log-in form with two fields: the passphrase, and a text that the source typed before a session ended.

    If the text answers a proposal, `proposal` is the id of this proposal. If the text is a message,
    `proposal` is empty.
    """

    proposal = HiddenField()
    words = StringField(lazy_gettext("Your passphrase"))
    text = TextAreaField()


class PractiseForm(SessionlessForm):
    """Form on which the source practises a new passphrase.

    The ticket is the encrypted passphrase that was shown.
    """

    ticket = HiddenField()
    words = StringField(lazy_gettext("Your passphrase"))


class EntryForm(OurForm):
    """Base class of the forms that add an entry to a mailbox, with the hidden fields of a `FormContext`."""

    entry_id = HiddenField()
    heads = HiddenField()
    unseen = HiddenField()


class WriteForm(EntryForm):
    """Form with which a source writes a message and adds files.

    Browsers send the text fields before the files, so the app checks the text fields first.
    """

    text = TextAreaField(lazy_gettext("Your message"))
    files = MultipleFileField(lazy_gettext("Files"))


class ConsentForm(EntryForm):
    """Form with which a source answers a proposal of the desk. Each button sends a different answer."""

    digest = HiddenField()
    sure = BooleanField()
    text = TextAreaField(lazy_gettext("What should be different?"))


class DeleteForm(EntryForm):
    """Form with which a source deletes one entry of their mailbox."""


class LogOutForm(OurForm):
    """Form with which a source logs out. Its only field is the CSRF token."""


class EndForm(EntryForm):
    """Form with which a source ends their mailbox. The source must tick a box as well as press the button."""

    sure = BooleanField(
        lazy_gettext("Yes, delete everything in this mailbox for good"), [InputRequired("not ticked")]
    )
