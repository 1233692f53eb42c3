"""What every test shares: Django, set up by pytest-django, and nothing else."""

from hypothesis import settings

settings.register_profile("steady", deadline=None)  # a busy machine is no failure
settings.load_profile("steady")
