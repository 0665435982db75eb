# Every recursive architecture of the literature at one n and i, beside a stack of as many blocks.
ABLATIONS["family"] = {
    **dict.fromkeys(["vanilla", "asura", "asura_full", "deep_thinking", "deq", "ndr", "recurrent_depth"], {}),
    "universal": {"halting": ["none", "act"]},
}


rule ablation_family:
    input:
        ablation_results("family"),
