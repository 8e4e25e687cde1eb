"""Settings for these tests alone."""

from hypothesis import settings

settings.register_profile("signpost", deadline=None)  # a busy machine is no fault
settings.load_profile("signpost")
