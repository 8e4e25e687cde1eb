"""CSRF protection for WTForms. The app that shows a form makes and checks the form's token.

This module has no secret and does not use Flask's session.
"""

from dataclasses import dataclass
from typing import Protocol

from wtforms import Form
from wtforms.csrf.core import CSRF, CSRFTokenField
from wtforms.validators import ValidationError


class Tokens(Protocol):
    """Interface of an object that makes and checks the CSRF token of one form."""

    def make(self) -> str:
        """Return the token for the form's hidden CSRF field."""

    def fits(self, token: str) -> bool:
        """Return True if a submitted CSRF token belongs to this form. Compare in constant time."""


@dataclass(frozen=True, slots=True)
class NoTokens:
    """CSRF tokens that are always empty, for forms that a visitor sends without a session.

    A form without a session gives an attacker no session to misuse. The check of the Origin header protects
    these forms against other sites.
    """

    def make(self) -> str:
        """Return an empty string as the token of every form."""
        return ""

    def fits(self, token: str) -> bool:  # noqa: ARG002  # the shape of Tokens
        """Return True for every submitted token."""
        return True


class TokenCSRF(CSRF):  # type: ignore[misc]  # wtforms has no types
    """CSRF class for WTForms that makes and checks tokens with the `Tokens` object of a form.

    A form passes its `Tokens` object as `meta={"csrf_context": tokens}`.
    """

    tokens: Tokens

    def setup_form(self, form: Form) -> list[tuple[str, object]]:
        """Get the form's `Tokens` object from the form's settings, and set up the form's CSRF field."""
        self.tokens = form.meta.csrf_context
        return super().setup_form(form)  # type: ignore[no-any-return]  # wtforms has no types

    def generate_csrf_token(self, csrf_token_field: CSRFTokenField) -> str:  # noqa: ARG002  # WTForms's shape
        """Return the CSRF token for the form's hidden field."""
        return self.tokens.make()

    def validate_csrf_token(self, form: Form, field: CSRFTokenField) -> None:  # noqa: ARG002  # WTForms
        """Check the submitted CSRF token, to refuse a form that this site did not show in this session.

        Raises:
            ValidationError: the token does not belong to this form.
        """
        if not self.tokens.fits(field.data or ""):
            raise ValidationError("csrf")
