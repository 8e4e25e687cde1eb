"""JSON in one canonical spelling: a reader accepts exactly the bytes that our writer makes.

If a value had a second spelling, someone could change a file without changing its meaning.
"""

from typing import Self, TypeVar

import msgspec

from crypto.errors import MalformedError

_Value = TypeVar("_Value")


def encode_json(value: object) -> bytes:
    """Write a value as JSON without white space.

    The fields have the order in which the value's class defines them.

    Raises:
        MalformedError: a text in the value contains half a surrogate pair.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError as why:
        raise MalformedError from why


def decode_json(raw: bytes, shape: type[_Value]) -> _Value:
    """Decode JSON into a value of the type `shape`. The JSON need not be in the canonical form.

    Raises:
        MalformedError: the bytes are not JSON, are nested too deep, or the value does not have this type.
    """
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise MalformedError from why


class StrictStruct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base class of the structures that we store or send as JSON.

    A structure with an unknown field is refused. `repr` shows no field, because logs must not contain the
    fields.
    """

    def __repr__(self) -> str:
        return type(self).__name__


class CanonicalStruct(StrictStruct, frozen=True):
    """Base class of structures that are whole JSON texts with one valid spelling."""

    def to_bytes(self) -> bytes:
        """Write the structure as canonical JSON.

        Raises:
            MalformedError: a text in the structure contains half a surrogate pair.
        """
        return encode_json(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse canonical JSON of this structure. Only the exact bytes that `to_bytes` writes are accepted.

        Raises:
            MalformedError: `to_bytes` never writes these bytes.
        """
        value = decode_json(raw, cls)
        if value.to_bytes() != raw:
            raise MalformedError
        return value
