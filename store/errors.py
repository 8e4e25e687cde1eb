"""Exceptions of the store. Each class is a failure on which callers act in another way.

No message contains a value from a row.
"""


class StoreError(Exception):
    """Base class of the store's exceptions. `fault` names the sentence for the adviser."""

    fault = "store"


class StoreMissingError(StoreError):
    """The store's file is missing, or cannot be opened."""

    fault = "store_missing"


class StoreBusyError(StoreError):
    """Another process had the store's write lock for longer than we wait."""

    fault = "store_busy"


class StoreReadOnlyError(StoreError):
    """The store's file or its disk is read-only."""

    fault = "store_read_only"


class StoreFullError(StoreError):
    """The store's disk is full, or has no room for what was to be written."""

    fault = "store_full"


class StoreDamagedError(StoreError):
    """The store's file is damaged or is not a store, or its disk fails."""

    fault = "store_damaged"


class StoreOutdatedError(StoreError):
    """The store's tables have an older or a newer version than this program needs."""

    fault = "store_outdated"


class StoreExistsError(StoreError):
    """A file exists where a new store was to be created."""


class NotTmpfsError(StoreError):
    """The folder for login sessions is on a disk. Sessions may be in memory (tmpfs) only."""


class MailboxChangedError(StoreError):
    """The mailbox has changed since the writer read it. Read and verify the mailbox, and sign again."""


class AttachmentExistsError(StoreError):
    """The store already has an attachment with this id."""


class EntryMissingError(StoreError):
    """The mailbox has none of these entries, or they were destroyed before."""


class AttachmentMissingError(StoreError):
    """The attachment does not exist, has not arrived completely, or belongs to another entry."""


class NoSuchMailboxError(StoreError):
    """There is no such mailbox, or the mailbox has ended."""


class MailboxEndedError(StoreError):
    """The mailbox of this address has ended, and the desk or a peer does not know about its end yet."""


class QuotaError(StoreError):
    """No room is left for files. Text is still accepted."""


class RecordMovedError(StoreError):
    """The record has another revision than the writer saw. Read the record, change it and write it again."""


class PeerMissingError(StoreError):
    """There is no such peer, or the peer was removed. Nothing was written for this peer."""
