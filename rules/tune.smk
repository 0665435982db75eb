# Trials are runs like all others. What they choose stands in a file for each model, which its final runs read.


localrules:
    choose,
    tuning,


rule choose:
    """Choose the settings of a model by the scores of its trials on the validation split."""
    input:
        STUDY.trials,
    output:
        f"{STUDY.folder}/{choice_file('{task}', '{label}')}",
    log:
        f"{STUDY.folder}/logs/choose/{{task}}/{{label}}.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=4),
    message:
        "choose the settings of {wildcards.label} on {wildcards.task}"
    shell:
        "python -m asura choose {params.study:q} {wildcards.task:q} {wildcards.label:q} > {log:q} 2>&1"


rule tuning:
    """Show what was tried for each model, what was chosen, and what it cost."""
    input:
        STUDY.choices,
    output:
        f"{STUDY.folder}/{{part}}/{MADE_OF}",
        expand(
            f"{STUDY.folder}/{{{{part}}}}/{{table}}.{{form}}",
            table=TUNING_TABLES,
            form=["csv", "md", "tex"],
        ),
        expand(
            f"{STUDY.folder}/{{{{part}}}}/{{figure}}.{{form}}",
            figure=TUNING_FIGURES,
            form=["png", "pdf", "csv"],
        ),
        [
            report(
                f"{STUDY.folder}/{{part}}/{name}.{form}",
                caption=f"{CAPTIONS}/tuning_{name}.rst",
                category="Tuning",
                labels={"shows": shows},
            )
            for form, parts in {"html": TUNING_TABLES, "svg": TUNING_FIGURES}.items()
            for name, shows in parts.items()
        ],
    log:
        f"{STUDY.folder}/logs/{{part}}.log",
    wildcard_constraints:
        part=TUNING,
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=2),
    message:
        f"show the tuning of {STUDY.folder}"
    shell:
        "python -m asura tuning {params.study:q} > {log:q} 2>&1"
