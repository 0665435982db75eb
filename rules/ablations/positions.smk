# Which positions does recursion need?
ABLATIONS["positions"] = {
    **dict.fromkeys(["asura", "vanilla"], {"positions": ["rotary", "learned", "none"]}),
    "against": "positions",
}


rule ablation_positions:
    input:
        ablation_results("positions"),
