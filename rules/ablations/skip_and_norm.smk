SKIP_AND_NORM = {"long_skip": ["concat_per_iteration", "add", "none"], "iteration_norm": ["per_iteration", "none"]}
ABLATIONS["skip_and_norm"] = {"asura": SKIP_AND_NORM, "factors": SKIP_AND_NORM}


rule ablation_skip_and_norm:
    """Does the effect of the long skip depend on the iteration norm?"""
    input:
        ablation_results("skip_and_norm"),
