FACTORS = {
    "long_skip": ["concat_per_iteration", "concat"],
    "skip_init": ["pass_through", "random"],
    "iteration_norm": ["per_iteration", "none"],
}
ABLATIONS["factorial"] = {"asura": FACTORS, "factors": FACTORS}


rule ablation_factorial:
    """Do sharing, start and norm of the long skip change each other's effects?"""
    input:
        ablation_results("factorial"),
