ABLATIONS["pretrained_prior"] = {
    "asura": [{}, {"training": {"start_from": "text"}}],
    "against": "start_from",
    "controls": config.get("controls", []),
    "tasks": [name for name, task in config["tasks"].items() if "written_as" in task],
}


rule ablation_pretrained_prior:
    """Does pretraining on text help with tasks that are written in its words?"""
    input:
        ablation_results("pretrained_prior"),
