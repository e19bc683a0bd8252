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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much was simulated; see ``tests/sim/test_plans.py``."""
    reports = [report for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")]
    years = sum(value for report in reports for name, value in report.user_properties if name == "group-years")
    if years:
        terminalreporter.write_line(f"{years:,.0f} group-years were simulated")
