"""What the store can refuse, one class per thing a caller does differently. No message holds a value."""


class StoreError(Exception):
    """The base of everything the store refuses."""


class StoreMissingError(StoreError):
    """The store's file is not there, or cannot be opened."""


class StoreBusyError(StoreError):
    """Another writer kept the store for longer than we wait."""


class StoreReadOnlyError(StoreError):
    """The store's file or its disk may not be written."""


class StoreFullError(StoreError):
    """The disk under the store is full, or would be."""


class StoreDamagedError(StoreError):
    """The store's file is no store, is damaged, or its disk fails."""


class StoreOutdatedError(StoreError):
    """The store's tables are of another version than this program's."""


class StoreExistsError(StoreError):
    """There is a file already where a new store should come."""


class NotTmpfsError(StoreError):
    """Sessions may live in memory only, and the path given is on a disk."""


class HeadMovedError(StoreError):
    """The strand has a newer head than the writer built upon: read again, number again, append again."""


class EntryExistsError(StoreError):
    """The mailbox holds an entry, or an attachment, of this id already."""


class EntryMissingError(StoreError):
    """The mailbox holds no entry of this id."""


class AttachmentMissingError(StoreError):
    """The attachment is not there, is not whole, or is not of this entry."""


class NoSuchMailboxError(StoreError):
    """There is no such mailbox, or it has ended."""


class MailboxEndedError(StoreError):
    """The mailbox of this address has ended, and the desk has not seen that yet."""


class QuotaError(StoreError):
    """No room is left for files; text still goes through."""


class RecordMovedError(StoreError):
    """The record has another revision than the writer built upon: read again, change again, write again."""


class PeerMissingError(StoreError):
    """There is no such peer (any more): nothing is packed for it, and nothing noted."""
