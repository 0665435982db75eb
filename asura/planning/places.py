"""Where settings belong that are often written one level too high."""

from asura.models import ARCHITECTURES
from asura.planning.study_settings import Evaluation, Resources
from asura.planning.training_settings import Training


def model_settings() -> set[str]:
    """Settings of any architecture, less its name."""
    return {name for settings, _ in ARCHITECTURES.values() for name in settings.model_fields} - {"architecture"}


MODEL_SETTINGS = model_settings()
BESIDE_TASK = {"model": MODEL_SETTINGS - {"n", "i"}, "training": Training.model_fields, "models": (), "written_as": ()}
BESIDE_MODEL = {"training": Training.model_fields, "resources": Resources.model_fields}
BESIDE_STUDY = {
    "evaluation": Evaluation.model_fields,
    "training": Training.model_fields,
    "resources": Resources.model_fields,
    "models.asura": MODEL_SETTINGS,
}
