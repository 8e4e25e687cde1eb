"""A form's token, made and checked by whatever keys the app holds: no Flask session, no secret here."""

from dataclasses import dataclass
from typing import Protocol

from wtforms import Form
from wtforms.csrf.core import CSRF, CSRFTokenField
from wtforms.validators import ValidationError


class Tokens(Protocol):
    """Makes and checks the token of one form."""

    def make(self) -> str:
        """Return the token to put in the form."""

    def fits(self, token: str) -> bool:
        """Compare in constant time."""


@dataclass(frozen=True, slots=True)
class NoTokens:
    """For forms before a mailbox is open: there is no session to ride on, the origin rule guards them."""

    def make(self) -> str:
        """Return nothing: the field is empty."""
        return ""

    def fits(self, token: str) -> bool:  # noqa: ARG002  # the shape of Tokens
        """Accept."""
        return True


class TokenCSRF(CSRF):  # type: ignore[misc]  # wtforms has no types
    """Ties WTForms to the `Tokens` that are given as `meta={"csrf_context": tokens}`."""

    tokens: Tokens

    def setup_form(self, form: Form) -> list[tuple[str, object]]:
        """Remember the tokens of this form."""
        self.tokens = form.meta.csrf_context
        return super().setup_form(form)  # type: ignore[no-any-return]  # wtforms has no types

    def generate_csrf_token(self, csrf_token_field: CSRFTokenField) -> str:  # noqa: ARG002  # WTForms's shape
        """Return the token of this form."""
        return self.tokens.make()

    def validate_csrf_token(self, form: Form, field: CSRFTokenField) -> None:  # noqa: ARG002  # WTForms
        """Refuse a form that was not shown by us in this session.

        Raises:
            ValidationError: its token does not fit.
        """
        if not self.tokens.fits(field.data or ""):
            raise ValidationError("csrf")
