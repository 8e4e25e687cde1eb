"""Address of an onion service (version 3): compute it from the public key, and check it in settings.

Source: Tor's rend-spec-v3, section 1.9.
"""

import base64
import hashlib
import re

_VERSION = b"\x03"
_KEY_BYTES = 32
_ADDRESS = re.compile(r"[a-z2-7]{56}\.onion")


def onion_address(public_key: bytes) -> str:
    """Return the onion address of a public key (32 bytes): 56 small letters and digits, and ".onion"."""
    checksum = hashlib.sha3_256(b".onion checksum" + public_key + _VERSION).digest()[:2]
    return base64.b32encode(public_key + checksum + _VERSION).decode().lower() + ".onion"


def is_onion_host(text: str) -> bool:
    """Return True if a text is the address of an onion service, in small letters, with a correct checksum."""
    # A typing error in the settings would send every source to an address that no one or someone else has.
    if not _ADDRESS.fullmatch(text):
        return False
    return onion_address(base64.b32decode(text.removesuffix(".onion").upper())[:_KEY_BYTES]) == text
