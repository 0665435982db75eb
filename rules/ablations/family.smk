FIXED = {"drawn": False, "backpropagate": None}
TWO_STATES = [
    {"i": 4, "latent_updates": 1, "deep_supervision": 2},
    {"i": 2, "latent_updates": 1, "deep_supervision": 1, "backpropagate": None},
]
ABLATIONS["family"] = {
    **dict.fromkeys(["vanilla", "bare", "asura", "ndr", "ouro"], {}),
    "asura_full": {"guidance": ["progressive", "none"]},
    "deep_thinking": {"progressive": [1.0, 0.0]},
    "deq": {"i": 24},
    "hrm": TWO_STATES,
    "parcae": [{}, FIXED],
    "recurrent_depth": [{}, FIXED],
    "trm": TWO_STATES,
    "universal": {"halting": ["none", "act"]},
}


rule ablation_family:
    """How do all architectures compare at one n and i, each trained by its paper's rule and by the plain one?"""
    input:
        ablation_results("family"),
