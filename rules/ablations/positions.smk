# Which positions does recursion need?
ABLATIONS["positions"] = {
    architecture: {"positions": ["rotary", "learned", "none"]} for architecture in ("asura", "vanilla")
}


rule ablation_positions:
    input:
        ablation_results("positions"),
