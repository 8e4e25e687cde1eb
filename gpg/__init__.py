"""OpenPGP through the GnuPG program."""
