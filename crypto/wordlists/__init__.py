"""Word lists of passphrases and labels: `en.txt` and `nl.txt`. `LICENCES.md` names their origin.

Imports nothing. `tests/crypto/choose_dutch_words.py` is the program that chose the Dutch words.
"""
