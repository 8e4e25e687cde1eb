"""Poster for partner organisations, with the desk's addresses, and the fingerprints to compare.

May import the modules at the root of `deploy`.

- `make_poster`: the poster as HTML and as PDF, and its four files
- `poster_content`: sentences and facts of one poster
"""
