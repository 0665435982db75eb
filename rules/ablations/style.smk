ABLATIONS["style"] = {
    **dict.fromkeys(["asura", "universal", "vanilla"], {"causal": [True, False]}),
    "against": "causal",
}


rule ablation_style:
    """Next-token prediction, or every position seeing all others?"""
    input:
        ablation_results("style"),
