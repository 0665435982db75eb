# Should early iterations be asked for the answer, too?
ABLATIONS["guidance"] = {
    "asura": {"guidance": ["none", "progressive", "uniform"]},
}


rule ablation_guidance:
    input:
        ablation_results("guidance"),
