BARE = {"long_skip": "none", "iteration_norm": "none"}
ABLATIONS["ladder"] = {
    "asura": [
        BARE,
        BARE | {"long_skip": "concat"},
        BARE | {"long_skip": "concat_per_iteration"},
        {},
        {"block_norm": "per_iteration"},
        {"block_norm": "per_iteration", "adapter": "abba"},
    ],
    "asura_full": {},
    "against": "previous",
}


rule ablation_ladder:
    """From bare recursion to the published recipe, one part at a time."""
    input:
        ablation_results("ladder"),
