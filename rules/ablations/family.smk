# All eight architectures of this repository at one n and i. The stack without recursion has the same effective depth.
ABLATIONS["family"] = {
    **dict.fromkeys(["vanilla", "asura", "asura_full", "deep_thinking", "deq", "ndr", "recurrent_depth"], {}),
    "universal": {"halting": ["none", "act"]},
}


rule ablation_family:
    input:
        ablation_results("family"),
