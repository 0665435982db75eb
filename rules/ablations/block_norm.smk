ABLATIONS["block_norm"] = {
    "asura": {"block_norm": ["none", "per_iteration"]},
}


rule ablation_block_norm:
    """Does a norm after every block help?"""
    input:
        ablation_results("block_norm"),
