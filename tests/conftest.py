"""How all tests run."""

from hypothesis import settings

settings.register_profile("otter", deadline=None)
settings.load_profile("otter")
