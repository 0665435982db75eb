ABLATIONS["training_rule"] = {
    "asura": [
        {"guidance": ["none", "uniform"]},
        {"drawn": True},
        {"backpropagate": [1, 2]},
        {"drawn": True, "backpropagate": 2},
        {"progressive": [0.5, 1.0]},
        {"growing": 0.5},
        {"deep_supervision": 2},
    ],
}


rule ablation_training_rule:
    """By which rule should training use the iterations?"""
    input:
        ablation_results("training_rule"),
