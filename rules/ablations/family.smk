ABLATIONS["family"] = {
    **dict.fromkeys(["vanilla", "asura", "asura_full", "deep_thinking", "deq", "ndr", "recurrent_depth"], {}),
    "universal": {"halting": ["none", "act"]},
}


rule ablation_family:
    """Every architecture of this project at one n and i, and a vanilla stack of as many blocks."""
    input:
        ablation_results("family"),
