"""Signpost: a few plain questions that lead a visitor to a fitting procedure. No answer is stored.

Imports only exceptions at the root of `source_app`, and `web`. The texts are in `languages/`, in one file for
each language.

- `decision_tree`: reads and checks the questions and texts
"""
