"""JSON in one canonical spelling: a reader accepts exactly the bytes that our writer makes.

With a second spelling of the same value, someone could change a file and keep its meaning.
"""

from typing import Self, TypeVar

import msgspec

from crypto.errors import MalformedError

_Value = TypeVar("_Value")


def encode_json(value: object) -> bytes:
    """Write a value as JSON without white space, fields in the order of its class.

    Raises:
        MalformedError: a text in it has half a surrogate pair.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError as why:
        raise MalformedError from why


def decode_json(raw: bytes, shape: type[_Value]) -> _Value:
    """Read JSON of this shape in any spelling.

    Raises:
        MalformedError: another shape, or not JSON.
    """
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as why:
        raise MalformedError from why


class StrictStruct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base class of a structure that is stored or sent.

    An unknown field is refused: a reader that skipped the field would act on half of the message. `repr`
    shows no field, because a log must not.
    """

    def __repr__(self) -> str:
        return type(self).__name__


class CanonicalStruct(StrictStruct, frozen=True):
    """Base class of a structure that is a whole JSON text, with one spelling."""

    def to_bytes(self) -> bytes:
        """Write the structure.

        Raises:
            MalformedError: a text in it has half a surrogate pair.
        """
        return encode_json(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read exactly what `to_bytes` writes.

        Raises:
            MalformedError: anything else.
        """
        value = decode_json(raw, cls)
        if value.to_bytes() != raw:
            raise MalformedError
        return value
