# Each file in rules/ablations says which models stand in an ablation, and has its target; this is the rule they share.


localrules:
    ablation,


rule ablation:
    input:
        ablation_runs,
        ABLATION_CODE,
    output:
        expand(
            f"{STUDY}/ablations/{{{{ablation}}}}/{{table}}.{{form}}", table=ABLATION_TABLES, form=["csv", "md", "tex"]
        ),
        expand(f"{STUDY}/ablations/{{{{ablation}}}}/{{figure}}.{{form}}", figure=ABLATION_FIGURES, form=["png", "pdf"]),
        [
            report(
                f"{STUDY}/ablations/{{ablation}}/{name}.{form}",
                caption=f"captions/{ABLATION_CAPTIONS[name]}.rst",
                category="Ablations",
                subcategory="{ablation}",
                labels={"shows": shows},
            )
            for form, parts in {"html": ABLATION_TABLES, "svg": ABLATION_FIGURES}.items()
            for name, shows in parts.items()
        ],
    log:
        f"{STUDY}/logs/ablation_{{ablation}}.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=3),
    message:
        "compare the models of the ablation {wildcards.ablation}"
    shell:
        "python -m asura ablation {params.study:q} {wildcards.ablation:q} > {log:q} 2>&1"
