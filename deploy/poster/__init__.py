"""Poster for partner organisations, with the desk's addresses, and the fingerprints to compare.

Imports modules at the root of `deploy`, and `source_app`, `report`, `web`, `protocol` and `programs`.

- `make_poster`: the files of the poster: PDF and SVG, in each language
- `poster_content`: sentences and facts of one poster
"""
