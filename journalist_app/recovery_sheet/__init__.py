"""Recovery sheet: a secret key on paper that opens the desk's keyring, as PDF and as text.

Imports `report` and `crypto`.

- `sheet_content`: the sentences and facts of one sheet, and its two forms
"""
