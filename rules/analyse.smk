# What each iteration of trained models computes. Nothing is trained; every analysis is a file in asura/analysis.


FOUND = STUDY.analysis_files


rule analyse:
    """Analyse trained seeds of a model, each by itself."""
    input:
        STUDY.plan_of_job("analysed"),
        STUDY.trainings_of_analysis,
        STUDY.data_of_job,
    output:
        touch(f"{STUDY.job}/analysed"),
    log:
        f"{STUDY.job}/analyse.log",
    conda:
        "../environment.yml"
    threads: STUDY.cores
    resources:
        mem_mb=STUDY.asked("mem_mb", 3000),
        runtime=STUDY.asked("runtime", 60),
        gpu=STUDY.gpus_to_evaluate,
    params:
        runs=STUDY.runs_of_job,
        device=device_variable,
    message:
        "analyse {wildcards.label} on {wildcards.task}, seeds {wildcards.seeds}"
    shell:
        "env {params.device:q} python -m asura analyse {params.runs:q} --log analyse.log > {log:q} 2>&1"


if FOUND["tidy"]:

    localrules:
        analyses,

    rule analyses:
        """Show what the analyses of all models found."""
        input:
            STUDY.analyses,
        output:
            f"{STUDY.folder}/{ANALYSIS}/{MADE_OF}",
            expand("{stem}.csv", stem=FOUND["tidy"]),
            expand("{stem}.{form}", stem=FOUND["tables"], form=TABLE_FORMATS),
            expand("{stem}.{form}", stem=FOUND["figures"], form=["png", "pdf", "csv"]),
            [
                report(
                    f"{stem}.svg",
                    caption=f"{CAPTIONS}/analysis_{Path(stem).name}.rst",
                    category="Inside the loop",
                    subcategory=Path(stem).parent.name,
                    labels={"analysis": Path(stem).name.replace("_", " ")},
                )
                for stem in FOUND["figures"]
            ],
        log:
            f"{STUDY.folder}/logs/analyses.log",
        conda:
            "../environment.yml"
        params:
            study=subpath(output[0], ancestor=2),
        message:
            f"show the analyses of {STUDY.folder}"
        shell:
            "python -m asura analyses {params.study:q} > {log:q} 2>&1"
