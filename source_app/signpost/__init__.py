"""Signpost: a few plain questions that lead a visitor to a fitting procedure. No answer is stored.

Imports only exceptions at the root of `source_app`. The texts are in one data file for
each language, in this folder.

- `decision_tree`: reads and checks the questions and texts
"""
