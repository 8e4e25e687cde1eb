"""Fingerprint of a desk, as the person at the terminal typed it."""

from crypto.errors import MalformedError
from crypto.minisign import PublicKey
from deploy.errors import refused_as

_UNFIT = "This is not the fingerprint of a desk: that has RW and 54 more characters, and is on the posters."


def refuse_wrong_form(fingerprint: str) -> None:
    """Check that a typed text has the form of a desk's fingerprint.

    The form has no checksum, so a wrong character is not always noticed.

    Raises:
        DeployError: the text has another form.
    """
    with refused_as(MalformedError, _UNFIT):
        PublicKey.from_text(fingerprint)
