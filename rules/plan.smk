# The plan of a study, and of each ablation. All other rules have it as an input that is `ancient` where what they made is
# as the plan asks, so that a new seed, say, runs only what is new.


localrules:
    plan,
    plan_ablation,


rule plan:
    """Write the plan of the study, and the settings of each run."""
    input:
        STUDY.plan_file,
    output:
        f"{STUDY.folder}/plan.json",
        f"{STUDY.folder}/study.json",
    params:
        study=STUDY.folder,
    message:
        f"write the plan of {STUDY.folder}"
    shell:
        "python -m asura write-plan {input:q} {params.study:q}"


rule plan_ablation:
    """Write the plan of an ablation, and the settings of each of its runs."""
    input:
        STUDY.plan_file,
    output:
        f"{STUDY.folder}/ablations/{{ablation}}/plan.json",
        f"{STUDY.folder}/ablations/{{ablation}}/study.json",
    params:
        study=STUDY.folder,
    message:
        "write the plan of the ablation {wildcards.ablation}"
    shell:
        "python -m asura write-plan {input:q} {params.study:q} --ablation {wildcards.ablation:q}"
