"""How simulations run as tests."""

import pytest
from twisted.logger import globalLogBeginner


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Nobody reads what otter logs here, and keeping it, with all that its tracebacks lead to, costs time and memory."""
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
