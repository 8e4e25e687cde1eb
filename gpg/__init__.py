"""OpenPGP by the GnuPG program. No other package runs gpg.

Imports from `crypto` and `programs` only.

- `arguments`: the options of gpg's command line, and the parameters of a new key
- `errors`: the exceptions
- `home`: a GnuPG home in memory, with the keys that it contains and what they encrypt and decrypt
- `keeper`: the process that destroys a home when its owner ends
- `process`: one run of gpg, with pieces in and pieces out
- `recipient_keys`: the checks before anything is encrypted to a recipient's key
- `status`: the status lines of one run
"""
