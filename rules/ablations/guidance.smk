ABLATIONS["guidance"] = {
    "asura": {"guidance": ["none", "progressive", "uniform"]},
}


rule ablation_guidance:
    """Should early iterations be asked for the answer, too?"""
    input:
        ablation_results("guidance"),
