"""Faults are told as they are tried, and the suite ends with a table of them."""

from collections.abc import Callable

import pytest

Tell = Callable[..., None]
HEAD = "| fault | what happens | times tried | held |\n|---|---|---:|---|"


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Tell:
    """Says which fault a test tries, what then happens, and how many times; what several tests try is one row."""

    def tell(name: str, happens: str, times: int = 1) -> None:
        request.node.user_properties.append(("fault", (name, happens, times)))

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    rows: dict[tuple[str, str], list[int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            told = [value for key, value in report.user_properties if key == "fault" and report.when == "call"]
            for name, happens, times in told:
                tried = rows.setdefault((name, happens), [0, 0])
                tried[0] += times
                tried[1] += times * (outcome == "passed")
    if rows:
        terminalreporter.write_line(HEAD)
    for (name, happens), (tried, held) in rows.items():
        terminalreporter.write_line(f"| {name} | {happens} | {tried} | {'yes' if held == tried else held} |")
