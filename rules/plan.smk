# The plan of a study, and of each ablation. All other rules have it as an input that is `ancient` where what they made is
# as the plan asks, so that a new seed, say, runs only what is new.


localrules:
    plan,
    plan_ablation,
    plan_tuning,


rule plan:
    """Write the plan of the study, and the settings of each run."""
    input:
        STUDY.plan_file,
    output:
        f"{STUDY.folder}/plan.json",
        f"{STUDY.folder}/study.json",
    log:
        f"{STUDY.folder}/logs/plan.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], parent=True),
    message:
        f"write the plan of {STUDY.folder}"
    shell:
        "python -m asura write-plan {input:q} {params.study:q} > {log:q} 2>&1"


rule plan_ablation:
    """Write the plan of an ablation, and the settings of each of its runs."""
    input:
        cached=STUDY.plan_file,
        study=STUDY.plan_before_part,
    output:
        f"{STUDY.folder}/ablations/{{ablation}}/plan.json",
        f"{STUDY.folder}/ablations/{{ablation}}/study.json",
    log:
        f"{STUDY.folder}/logs/plan_{{ablation}}.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=3),
    message:
        "write the plan of the ablation {wildcards.ablation}"
    shell:
        "python -m asura write-plan {input.cached:q} {params.study:q} --ablation {wildcards.ablation:q} > {log:q} 2>&1"


rule plan_tuning:
    """Write the plan of the trials, and the settings of each of their runs."""
    input:
        cached=STUDY.plan_file,
        study=STUDY.plan_before_part,
    output:
        f"{STUDY.folder}/{{part}}/plan.json",
        f"{STUDY.folder}/{{part}}/study.json",
    log:
        f"{STUDY.folder}/logs/plan_{{part}}.log",
    wildcard_constraints:
        part=TUNING,
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=2),
    message:
        f"write the plan of the trials of {STUDY.folder}"
    shell:
        "python -m asura write-plan {input.cached:q} {params.study:q} --tuning > {log:q} 2>&1"
