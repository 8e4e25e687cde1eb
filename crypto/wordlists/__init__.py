"""Word lists of passphrases and labels (`en.txt`, `nl.txt`), and the program that chose the Dutch words.

Imports nothing.

- `choose_dutch`: chooses the Dutch words from a dictionary
"""
