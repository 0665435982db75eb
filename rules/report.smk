FRAMES = ["runs", "roles", "scores", "curves", "resources"]
TABLES = ["comparison", "runs", "metrics", "matching", "resources"] + ["published"] * bool(config.get("published"))
FIGURES = [
    "score_against_iterations",
    "grid",
    "train_against_evaluation_iterations",
    "iterations_at_evaluation",
    "learning_curves",
    "score_against_parameters",
    "score_against_flops",
]


localrules:
    all,
    collect,
    tables,
    figures,
    report,
    partial,


rule collect:
    input:
        f"{STUDY}/plan.json",
        of_every_run("training.json"),
        of_every_run("evaluation.json"),
        of_every_run("train.benchmark.tsv"),
        of_every_run("evaluate.benchmark.tsv"),
        REPORTING / "collect.py",
    output:
        expand(f"{STUDY}/tidy/{{frame}}.csv", frame=FRAMES),
    log:
        f"{STUDY}/logs/collect.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=2),
    message:
        "collect {STUDY}"
    shell:
        "python -m asura collect {params.study:q} > {log:q} 2>&1"


rule tables:
    input:
        rules.collect.output,
        TABLE_CODE,
    output:
        expand(f"{STUDY}/tables/{{table}}.{{form}}", table=TABLES, form=["csv", "md", "tex"]),
        [
            report(
                f"{STUDY}/tables/{table}.html",
                caption=f"captions/{table}.rst",
                category="Tables",
                labels={"table": table.replace("_", " ")},
            )
            for table in TABLES
        ],
    log:
        f"{STUDY}/logs/tables.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=2),
        published=["--published", config["published"]] if config.get("published") else [],
    message:
        "write the tables of {STUDY}"
    shell:
        "python -m asura tables {params.study:q} {params.published:q} > {log:q} 2>&1"


rule figures:
    input:
        rules.collect.output,
        FIGURE_CODE,
    output:
        expand(f"{STUDY}/figures/{{figure}}.{{form}}", figure=FIGURES, form=["png", "pdf"]),
        [
            report(
                f"{STUDY}/figures/{figure}.svg",
                caption=f"captions/{figure}.rst",
                category="Figures",
                labels={"figure": figure.replace("_", " ")},
            )
            for figure in FIGURES
        ],
    log:
        f"{STUDY}/logs/figures.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=2),
    message:
        "draw the figures of {STUDY}"
    shell:
        "python -m asura figures {params.study:q} > {log:q} 2>&1"


rule report:
    input:
        rules.tables.output,
        rules.figures.output,
        sum(map(ablation_results, NAMED_ABLATIONS), []),
    output:
        f"{STUDY}/report.html",
    log:
        f"{STUDY}/logs/report.log",
    conda:
        "../environment.yml"
    params:
        snakefile=os.path.relpath(workflow.main_snakefile),
        study=f"{STUDY}/study.json",
    message:
        "write {output}"
    shell:
        "python -m snakemake --snakefile {params.snakefile:q} --configfile {params.study:q}"
        " --report {output:q} -- {input:q} > {log:q} 2>&1"


rule partial:
    log:
        f"{STUDY}/logs/partial.log",
    conda:
        "../environment.yml"
    params:
        study=STUDY,
    message:
        "draw what is finished of {STUDY}"
    shell:
        "python -m asura partial {params.study:q} 2>&1 | tee {log:q}"
