"""How all tests run."""

import pytest
from hypothesis import settings

from tests.rig import cassandra, zookeeper

settings.register_profile("otter", deadline=None)
settings.load_profile("otter")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(zookeeper, "zookeeper")
    config.pluginmanager.register(cassandra, "cassandra")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that is skipped has shown nothing, so it is as good as failed; but for one that lacks Java."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", ()) if reporter is not None else ()
    if not all(cassandra.wanted_by(report) for report in skipped):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much was simulated; see ``tests/sim/test_plans.py``."""
    reports = [report for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")]
    years = sum(value for report in reports for name, value in report.user_properties if name == "group-years")
    if years:
        terminalreporter.write_line(f"{years:,.0f} group-years were simulated")
