"""Poster for partner organisations, with the desk's addresses, and the fingerprints to compare.

May import the modules at the root of `deploy`.

- `make_poster`: the four files of the poster: PDF and SVG, in two languages
- `poster_content`: sentences and facts of one poster
"""
