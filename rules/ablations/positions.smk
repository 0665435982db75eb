ABLATIONS["positions"] = {
    **dict.fromkeys(["asura", "vanilla"], {"positions": ["rotary", "learned", "none"]}),
    "against": "positions",
}


rule ablation_positions:
    """Which positions does recursion need?"""
    input:
        ablation_results("positions"),
