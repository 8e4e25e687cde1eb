"""Exceptions of the store: one class for each failure to which callers react in a different way.

No message contains a value from a row.
"""


class StoreError(Exception):
    """Base class of the store's exceptions.

    `fault` is the key of the sentence on the adviser's page. `sentence` is the default message for the
    operator.
    """

    fault = "store"
    sentence = ""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.sentence)


class WholeStoreError(StoreError):
    """Base class of the exceptions that concern the whole store, such as a full disk."""


class StoreMissingError(WholeStoreError):
    """The store's file is missing, or cannot be opened."""

    fault = "store_missing"
    sentence = "the store's file is missing or cannot be opened"


class StoreUnreachableError(StoreMissingError):
    """The server of the store's database cannot be reached, or the connection to the server was lost."""

    sentence = "the store's database server cannot be reached"


class StoreBusyError(WholeStoreError):
    """Another process had the store's write lock, or read from its journal, for longer than we wait."""

    fault = "store_busy"
    sentence = "the store is in use by another program"


class StoreConflictError(StoreBusyError):
    """The database ended this transaction, because it and another one could not both go on. Try again."""


class StoreReadOnlyError(WholeStoreError):
    """The store's file or its disk is read-only."""

    fault = "store_read_only"
    sentence = "the store cannot be written"


class StoreFullError(WholeStoreError):
    """The store's disk is full, or has no room for the new content."""

    fault = "store_full"
    sentence = "the store's disk is full; what is in it stays: make room there, and do the same again"


class StoreDamagedError(StoreError):
    """The store's file is damaged or is not a store, or its disk fails."""

    fault = "store_damaged"
    sentence = "the store's file is damaged or is not a store"


class BrokenConstraintError(StoreDamagedError):
    """A row would break a constraint of the tables: for example, a row of this name exists already."""


class StoreJournalError(StoreDamagedError):
    """The journal beside the store's file belongs to another file. Together they make a corrupt store."""

    sentence = (
        "the journal beside the store (its name ends in -wal) belongs to another file: stop all programs, "
        "move the files whose names end in -wal and -shm out of the folder, and start again"
    )


class StoreNotEmptyError(StoreError):
    """The place of a new copy has something else already."""

    sentence = "the place of the copy is not empty: name a new file, or an empty database"


class StoreOutdatedError(WholeStoreError):
    """The store's tables have an older or a newer version than this program needs."""

    fault = "store_outdated"
    sentence = "the store's tables are of another version"


class MailboxChangedError(StoreError):
    """The mailbox has changed since the writer read it. The writer must read, verify and sign again."""


class EntryMissingError(StoreError):
    """The mailbox has none of the entries to remove, or they were destroyed before."""


class AttachmentMissingError(StoreError):
    """The attachment does not exist, has not arrived completely, or belongs to another entry."""


class NoSuchMailboxError(StoreError):
    """There is no such mailbox, or the mailbox has ended."""


class MailboxEndedError(StoreError):
    """The mailbox of this address has ended, and the store still has the proof of its end."""


class QuotaError(StoreError):
    """The mailbox or the store has no room left for files. Text is still accepted."""


class RecordMovedError(StoreError):
    """Someone else changed this record of the desk. The caller must read the record and change it again."""


class PeerMissingError(StoreError):
    """The other store (peer) is not known, or was removed. Nothing was written for this peer."""
