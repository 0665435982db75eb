"""What every architecture of this package owes the rest of it."""

import pytest

from asura.models import ARCHITECTURES
from asura.testing import ArchitectureContract

SIZE = {"n": 2, "i": 3, "width": 16, "heads": 2}
FEWER = {"latent_updates": 2}  # or the depth would be too much for the width
OF_ONE = {"hrm": FEWER, "trm": FEWER, "deq": {"i": 4}, "vanilla": {"i": 1}}


class TestArchitectures(ArchitectureContract):
    @pytest.fixture(autouse=True, params=ARCHITECTURES)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.settings = ARCHITECTURES[request.param][0].model_validate(SIZE | OF_ONE.get(request.param, {}))
