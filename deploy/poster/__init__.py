"""Poster for partner organisations, with the desk's addresses, and the fingerprints to compare.

May import the modules at the root of `deploy`.

- `make_poster`: write the four files
- `poster_content`: sentences and facts of one poster
- `poster_layout`: positions of everything in the drawing
- `poster_markup`: the poster as HTML and as SVG
"""
