"""How Hypothesis runs here."""

from hypothesis import settings

# Two cores are shared with whatever else runs: how long one example took says nothing.
settings.register_profile("crypto", deadline=None)
settings.load_profile("crypto")
