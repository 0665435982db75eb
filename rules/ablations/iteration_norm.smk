ABLATIONS["iteration_norm"] = {
    "asura": {"iteration_norm": ["per_iteration", "shared", "none"]},
}


rule ablation_iteration_norm:
    """Does the state have to be normalised between iterations, and by norms of their own?"""
    input:
        ablation_results("iteration_norm"),
