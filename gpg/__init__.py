"""OpenPGP encryption with the GnuPG program. No other package runs gpg.

Imports only `crypto` and `programs`.

- `arguments`: the options of gpg's command line, and the parameters of a new key
- `errors`: the exceptions
- `home`: a GnuPG home in memory, with its keys, and encryption and decryption with them
- `keeper`: the process that destroys a GnuPG home when the process that made the home ends
- `process`: runs of gpg with limits
- `recipient_keys`: the checks before anything is encrypted to a recipient's key
- `status`: the status lines of one run
"""
