"""Words for the names in study files."""

import pytest

from asura.corpora.benchmarks import BENCHMARKS
from asura.models import ARCHITECTURES
from asura.reporting import names
from asura.reporting.frames import CONTROLS
from asura.tasks import TASKS


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("asura-n1-i4", "ASURA 1×4"),
        ("vanilla-n1", "vanilla, 1 block"),
        ("vanilla-n4+mlp_width=98", "vanilla, 4 blocks, MLP width 98"),
        ("vanilla-n1+mlp_width=98+steps=1053", "vanilla, 1 block, MLP width 98, 1,053 steps"),
        ("vanilla-n1+learning_rate=1e+38", "vanilla, 1 block, learning rate 1e+38"),
        ("asura+long_skip=none", "ASURA, no long skip"),
        ("universal-n1-i4+halting=act", "universal transformer 1×4, with halting"),
        ("asura-n2-i2+causal=false+adapter=lora", "ASURA 2×2, bidirectional, adapter LoRA"),
        ("asura_full-n13-i3+start_from=text", "ASURA, complete 13×3, pretrained on text"),
    ],
)
def test_a_label_in_words(label: str, name: str):
    assert names.model_name(label) == name


def test_every_architecture_and_control_has_words():
    assert set(ARCHITECTURES) <= set(names.ARCHITECTURES)
    assert set(CONTROLS) <= set(names.ROLES)
    assert names.role_name("iso_flop", 4) == "equal FLOPs (stack of 4 blocks)"
    assert names.role_name("iso_flop") == "equal FLOPs (deeper stack)"
    assert names.series_name("asura+long_skip=none") == "ASURA, no long skip"


def test_no_name_that_people_read_has_an_underscore():
    said = [names.task_name(task) for task in [*TASKS, *(f"text/{name}" for name in BENCHMARKS)]]
    said += [names.split_name("more_hops"), names.metric_name("bits_per_byte"), names.role_name("some_control")]
    assert not any("_" in name for name in said)
    assert names.metric_name("bits_per_byte") == "bits per byte (lower is better)"
    assert names.task_name("text/piqa") == "PIQA"
