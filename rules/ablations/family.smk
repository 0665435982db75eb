ABLATIONS["family"] = {
    **dict.fromkeys(["vanilla", "bare", "asura", "asura_full", "deep_thinking", "deq", "ndr", "recurrent_depth"], {}),
    "universal": {"halting": ["none", "act"]},
}


rule ablation_family:
    """How do all architectures of this project compare at one n and i?"""
    input:
        ablation_results("family"),
