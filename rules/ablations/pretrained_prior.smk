ABLATIONS["pretrained_prior"] = {
    "asura": [{}, {"training": {"start_from": "text"}}],
    "against": "start_from",
    "controls": config.get("controls", []),
    "tasks": [name for name, task in config["tasks"].items() if "written_as" in task],
}


rule ablation_pretrained_prior:
    """Does a pretrained prior help? The tasks written in the words of a text, from scratch and from the same model's run on it."""
    input:
        ablation_results("pretrained_prior"),
