"""Standard cryptography, pure: bytes in, bytes out. It knows nothing of mailboxes.

Imports none of our other packages, and uses no file, clock, environment variable, database or log. (The
word lists and the random generator of the operating system are the only input.)

- `age`: the age v1 file format
- `wordlists`: the words of passphrases
- `base64_text`: base64 with one spelling
- `bech32`: the text form of age keys
- `canonical_json`: JSON with one spelling
- `errors`: the exceptions
- `framing`: several byte strings as one
- `kdf`: HKDF-SHA256
- `minisign`: signatures in minisign's format
- `padding`: sizes that reveal little
- `passphrase`: draw and read a passphrase, and derive the root key
- `signed_lines`: a signed line of text or JSON
"""
