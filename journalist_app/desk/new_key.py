"""A new passphrase or recovery sheet, in memory until someone has typed it back. It opens nothing yet."""

from dataclasses import dataclass, field

from journalist_app.recovery_sheet.sheet_content import RecoverySheet


@dataclass(frozen=True, slots=True)
class NewPassphrase:
    """A new passphrase that opens nothing yet.

    `drawn` is empty if the adviser chooses the passphrase. With `is_change`, the passphrase replaces the
    adviser's own passphrase and keeps its holder. `holder` is then ignored.
    """

    holder: str
    drawn: str = field(default="", repr=False)
    is_change: bool = False


@dataclass(frozen=True, slots=True)
class NewSheet:
    """A recovery sheet that opens nothing yet. `asked` is the number of the word that must be typed back."""

    sheet: RecoverySheet = field(repr=False)
    asked: int


NewKey = NewPassphrase | NewSheet
