"""Exceptions of the store: one class for each thing that a caller does differently.

No message has a value of a row.
"""


class StoreError(Exception):
    """Base of every refusal of the store."""


class StoreMissingError(StoreError):
    """The store's file is missing, or cannot be opened."""


class StoreBusyError(StoreError):
    """Another writer had the store for longer than we wait."""


class StoreReadOnlyError(StoreError):
    """The store's file or its disk is read-only."""


class StoreFullError(StoreError):
    """The store's disk is full, or would be."""


class StoreDamagedError(StoreError):
    """The file is not a store, is damaged, or its disk fails."""


class StoreOutdatedError(StoreError):
    """The store's tables are of an older or a newer version than this program."""


class StoreExistsError(StoreError):
    """A file exists where a new store was to be created."""


class NotTmpfsError(StoreError):
    """The path for sessions is on a disk, and sessions may be in memory only."""


class HeadMovedError(StoreError):
    """The strand has a newer head than the writer saw. Read, number and append again."""


class EntryExistsError(StoreError):
    """The mailbox already has an entry, or an attachment, with this id."""


class EntryMissingError(StoreError):
    """The mailbox has no entry with this id."""


class AttachmentMissingError(StoreError):
    """The attachment does not exist, is not whole, or belongs to another entry."""


class NoSuchMailboxError(StoreError):
    """There is no such mailbox, or it has ended."""


class MailboxEndedError(StoreError):
    """The mailbox of this address has ended, and the desk or a peer does not know that yet."""


class QuotaError(StoreError):
    """No room is left for files. Text is still accepted."""


class RecordMovedError(StoreError):
    """The record has another revision than the writer saw. Read, change and write again."""


class PeerMissingError(StoreError):
    """There is no such peer, or it was removed. Nothing was written for it."""
