ABLATIONS["skip_init"] = {
    "asura": {"skip_init": ["pass_through", "random"], "guidance": ["none", "progressive"]},
    "against": "skip_init",
}


rule ablation_skip_init:
    """Does the long skip have to start by passing the state through?"""
    input:
        ablation_results("skip_init"),
