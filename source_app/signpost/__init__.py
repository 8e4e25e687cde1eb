"""The signpost: a few plain questions that lead to the routes that may fit. It keeps nothing.

`tree` reads and checks the questions and texts, which stand in one data file for each language beside it.
"""
