"""A poster for partner organisations to hang up: who we are, how to reach us, and what to compare."""
