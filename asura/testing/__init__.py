"""What every architecture and every task owes the rest of the package, as tests that pytest runs for one of your own.

A test module has a class that derives from `ArchitectureContract` or `TaskContract` and says what is tested. The tests
of this package use the same classes. `asura new architecture NAME` writes an example.
"""

import pytest

pytest.register_assert_rewrite("asura.testing.architectures", "asura.testing.tasks")

from asura.testing.architectures import ArchitectureContract  # noqa: E402
from asura.testing.tasks import TaskContract  # noqa: E402

__all__ = ["ArchitectureContract", "TaskContract"]
