"""The lists that passphrases are drawn from; LICENCES.md says where they come from."""
