"""For all tests."""

from hypothesis import settings

# A busy machine is not a failure.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")
