# Next-token prediction, or every position seeing all others?
ABLATIONS["style"] = {architecture: {"causal": [True, False]} for architecture in ("asura", "universal", "vanilla")}


rule ablation_style:
    input:
        ablation_results("style"),
