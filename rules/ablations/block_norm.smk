# Does a norm after every block help?
ABLATIONS["block_norm"] = {
    "asura": {"block_norm": ["none", "per_iteration"]},
}


rule ablation_block_norm:
    input:
        ablation_results("block_norm"),
