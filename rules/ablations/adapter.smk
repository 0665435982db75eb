ABLATIONS["adapter"] = {
    "asura": [
        {"adapter": "none"},
        {"adapter": ["lora", "abba"], "adapter_rank": [2, 8]},
    ],
}


rule ablation_adapter:
    """May iterations differ by low-rank adapters, of which kind, and of which rank?"""
    input:
        ablation_results("adapter"),
