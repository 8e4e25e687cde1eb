"""Signpost: a few plain questions that lead a visitor to a fitting procedure. No answer is stored.

This package imports no module of the project except `source_app.errors`. The texts are in one data file for
each language, in this folder.

- `decision_tree`: reads and checks the questions and texts
"""
