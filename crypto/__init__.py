"""Standard cryptography as pure functions: bytes in, bytes out. No module here knows what a mailbox is.

Imports none of our other packages, and uses no file, clock, environment variable, database or log. There are
two exceptions: the word lists, and the random generator of the operating system.

- `age`: the age v1 file format
- `wordlists`: the words of passphrases
- `base64_text`: base64 that has one canonical spelling
- `bech32`: the text form of age keys
- `canonical_json`: JSON that has one canonical spelling
- `errors`: the exceptions
- `framing`: several byte strings joined into one
- `kdf`: HKDF-SHA256
- `minisign`: signatures in minisign's format
- `padding`: padded sizes, which reveal little about the length of a text
- `passphrase`: draw and read a passphrase, and derive the root key
- `signed_lines`: a line of JSON with a signature
"""
