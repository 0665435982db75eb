ABLATIONS["dynamic_iterations"] = {
    "asura": [
        {"drawn": [False, True]},
        {"backpropagate": [1, 2]},
        {"drawn": True, "backpropagate": 2},
        {"progressive": [0.5, 1.0]},
    ],
}


rule ablation_dynamic_iterations:
    """Should training fix the number of iterations, draw it, or cut the gradient?"""
    input:
        ablation_results("dynamic_iterations"),
