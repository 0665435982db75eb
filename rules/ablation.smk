# Each file in rules/ablations names the models of an ablation and has its target. This is the rule that they share.

CAPTION_OF = {
    "table": "ablation_table",
    "metrics": "metrics",
    "figure": "ablation_figure",
    "iterations": "iterations_at_evaluation",
}


localrules:
    ablation,
    effects,


rule ablation:
    """Compare the models of an ablation."""
    input:
        STUDY.ablation_inputs,
        STUDY.effects_of_ablation,
    output:
        f"{STUDY.folder}/ablations/{{ablation}}/{MADE_OF}",
        expand(
            f"{STUDY.folder}/ablations/{{{{ablation}}}}/{{table}}.{{form}}",
            table=ABLATION_TABLES,
            form=["csv", "md", "tex"],
        ),
        expand(
            f"{STUDY.folder}/ablations/{{{{ablation}}}}/{{figure}}.{{form}}",
            figure=ABLATION_FIGURES,
            form=["png", "pdf", "csv"],
        ),
        [
            report(
                f"{STUDY.folder}/ablations/{{ablation}}/{name}.{form}",
                caption=f"{CAPTIONS}/{CAPTION_OF[name]}.rst",
                category="Ablations",
                subcategory="{ablation}",
                labels={"shows": shows},
            )
            for form, parts in {"html": ABLATION_TABLES, "svg": ABLATION_FIGURES}.items()
            for name, shows in parts.items()
        ],
    log:
        f"{STUDY.folder}/logs/ablation_{{ablation}}.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=3),
    message:
        "compare the models of the ablation {wildcards.ablation}"
    shell:
        "python -m asura ablation {params.study:q} {wildcards.ablation:q} > {log:q} 2>&1"


rule effects:
    """Compute main effects and interactions of the factors of an ablation."""
    input:
        STUDY.ablation_inputs,
    output:
        expand(
            f"{STUDY.folder}/ablations/{{{{ablation}}}}/effects.{{form}}",
            form=["csv", "md", "tex"],
        ),
        report(
            f"{STUDY.folder}/ablations/{{ablation}}/effects.html",
            caption=f"{CAPTIONS}/ablation_effects.rst",
            category="Ablations",
            subcategory="{ablation}",
            labels={"shows": "main effects and interactions"},
        ),
    log:
        f"{STUDY.folder}/logs/effects_{{ablation}}.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=3),
    message:
        "compute the effects of the ablation {wildcards.ablation}"
    shell:
        "python -m asura effects {params.study:q} {wildcards.ablation:q} > {log:q} 2>&1"


for name in STUDY.inline_ablations:

    rule:
        name:
            f"ablation_{name}"
        input:
            ablation_results(name),
