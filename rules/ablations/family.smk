ABLATIONS["family"] = {
    **dict.fromkeys(["vanilla", "bare", "asura", "deq", "ndr"], {}),
    "universal": {"halting": ["none", "act"]},
    "asura_full": {"guidance": ["progressive", "none"]},
    "deep_thinking": {"progressive": [1.0, 0.0]},
    "recurrent_depth": [{}, {"drawn": False, "backpropagate": None}],
}


rule ablation_family:
    """How do all architectures compare at one n and i, each trained by its paper's rule and by the plain one?"""
    input:
        ablation_results("family"),
