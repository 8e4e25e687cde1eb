"""Pages of a SQLite file, and the page of zeros before each ciphertext."""

# Measured in one run: 200 rows of 1 MiB (PRAGMA synchronous=NORMAL), then 1,000 entries of 8 KiB (FULL).
# Page of 1024 bytes: 113 MiB/s, 0.39 ms per entry. 4096: 218 MiB/s, 0.37 ms. 8192: 284 MiB/s, 0.40 ms.
# 16384: 348 MiB/s, 0.50 ms. 65536: 281 MiB/s, 0.82 ms. With pages of more than 4096 bytes, each entry needs
# a larger SHIELD and journal. No user would notice that uploads are written faster: encrypting and parsing
# an upload are both slower than 218 MiB/s.
PAGE_BYTES = 4096

# First page of an encrypted row, all zeros. SQLite stores the beginning of a row (at most a page) in a leaf
# of the B-tree, and the rest on overflow pages. SQLite copies leaves when it balances the tree, and
# `secure_delete` does not clear the old copy in the unused space of a leaf. Overflow pages never move, and
# are zeroed when they are freed. With this page of zeros in front, no encrypted byte is ever in a leaf.
# docs/store.md has measurements with and without the shield.
SHIELD = bytes(PAGE_BYTES)
