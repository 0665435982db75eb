# Next-token prediction, or every position seeing all others?
ABLATIONS["style"] = {
    **dict.fromkeys(["asura", "universal", "vanilla"], {"causal": [True, False]}),
    "against": "causal",
}


rule ablation_style:
    input:
        ablation_results("style"),
