"""Clean-up processes: destroy deleted rows, carry out deletion orders."""
