"""Poster for partner organisations, with the desk's addresses, and the fingerprints to compare.

Imports modules at the root of `deploy`, and `source_app`, `report`, `protocol`, `programs` and `crypto`.

- `make_poster`: the four files of the poster: PDF and SVG, in two languages
- `poster_content`: sentences and facts of one poster
"""
