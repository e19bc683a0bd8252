"""How all tests run."""

import pytest
from hypothesis import settings

settings.register_profile("otter", deadline=None)
settings.load_profile("otter")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that is skipped has shown nothing, so it is as good as failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
