"""CSRF tokens for WTForms, made and checked by the app that shows the form.

This module has no secret and does not use Flask's session.
"""

from dataclasses import dataclass
from typing import Protocol

from wtforms import Form
from wtforms.csrf.core import CSRF, CSRFTokenField
from wtforms.validators import ValidationError


class Tokens(Protocol):
    """Maker and checker of the token of one form."""

    def make(self) -> str:
        """Return the token for the form's hidden field."""

    def fits(self, token: str) -> bool:
        """Return True if a token belongs to this form. Compares in constant time."""


@dataclass(frozen=True, slots=True)
class NoTokens:
    """Empty tokens, for forms that are sent before a mailbox is open.

    Without a session an attacker has nothing to misuse. The check of the Origin header protects these forms.
    """

    def make(self) -> str:
        """Return an empty string."""
        return ""

    def fits(self, token: str) -> bool:  # noqa: ARG002  # the shape of Tokens
        """Return True for every token."""
        return True


class TokenCSRF(CSRF):  # type: ignore[misc]  # wtforms has no types
    """CSRF class for WTForms that uses the `Tokens` passed as `meta={"csrf_context": tokens}`."""

    tokens: Tokens

    def setup_form(self, form: Form) -> list[tuple[str, object]]:
        """Set up the CSRF field with this form's tokens."""
        self.tokens = form.meta.csrf_context
        return super().setup_form(form)  # type: ignore[no-any-return]  # wtforms has no types

    def generate_csrf_token(self, csrf_token_field: CSRFTokenField) -> str:  # noqa: ARG002  # WTForms's shape
        """Return the token of this form."""
        return self.tokens.make()

    def validate_csrf_token(self, form: Form, field: CSRFTokenField) -> None:  # noqa: ARG002  # WTForms
        """Refuse a form that we did not show in this session.

        Raises:
            ValidationError: the token does not belong to this form.
        """
        if not self.tokens.fits(field.data or ""):
            raise ValidationError("csrf")
