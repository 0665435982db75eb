ABLATIONS["long_skip"] = {
    "asura": {"long_skip": ["concat_per_iteration", "concat", "add", "none"]},
}


rule ablation_long_skip:
    """Does the input have to return at every iteration, and how?"""
    input:
        ablation_results("long_skip"),
