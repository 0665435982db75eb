FIGURES = planned_figures(STUDY.plan.models)


localrules:
    all,
    collect,
    tables,
    figures,
    report,
    workflow_report,
    partial,


rule collect:
    """Gather the results of all runs into tidy frames."""
    input:
        STUDY.made_from("tidy"),
    output:
        f"{STUDY.folder}/tidy/{MADE_OF}",
        expand(f"{STUDY.folder}/tidy/{{frame}}.csv", frame=FRAMES),
    log:
        f"{STUDY.folder}/logs/collect.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=2),
    message:
        f"collect {STUDY.folder}"
    shell:
        "python -m asura collect {params.study:q} > {log:q} 2>&1"


rule tables:
    """Write the tables of the study."""
    input:
        STUDY.made_from("tables"),
    output:
        f"{STUDY.folder}/tables/{MADE_OF}",
        expand(f"{STUDY.folder}/tables/{{table}}.{{form}}", table=STUDY.tables, form=["csv", "md", "tex"]),
        [
            report(
                f"{STUDY.folder}/tables/{table}.html",
                caption=f"{CAPTIONS}/{table}.rst",
                category="Tables",
                labels={"table": table.replace("_", " ")},
            )
            for table in STUDY.tables
        ],
    log:
        f"{STUDY.folder}/logs/tables.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=2),
    message:
        f"write the tables of {STUDY.folder}"
    shell:
        "python -m asura tables {params.study:q} > {log:q} 2>&1"


rule figures:
    """Draw the figures of the study."""
    input:
        STUDY.made_from("figures"),
    output:
        f"{STUDY.folder}/figures/{MADE_OF}",
        [f"{STUDY.folder}/figures/{path}.{form}" for _, _, path in FIGURES for form in ("png", "pdf", "csv")],
        [
            report(
                f"{STUDY.folder}/figures/{path}.svg",
                caption=f"{CAPTIONS}/{figure}.rst",
                category="Figures",
                labels={"task": task, "figure": figure.replace("_", " ")},
            )
            for task, figure, path in FIGURES
        ],
    log:
        f"{STUDY.folder}/logs/figures.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], ancestor=2),
    message:
        f"draw the figures of {STUDY.folder}"
    shell:
        "python -m asura figures {params.study:q} > {log:q} 2>&1"


rule report:
    """Write the report: findings, figures, short tables, settings and provenance on one page."""
    input:
        STUDY.made_from(REPORT),
    output:
        f"{STUDY.folder}/{REPORT}",
    log:
        f"{STUDY.folder}/logs/report.log",
    conda:
        "../environment.yml"
    params:
        study=subpath(output[0], parent=True),
    message:
        "write {output}"
    shell:
        "python -m asura report {params.study:q} > {log:q} 2>&1"


rule workflow_report:
    """Write Snakemake's own report: every table and figure, and the jobs that made them (only when asked for)."""
    input:
        rules.tables.output,
        rules.figures.output,
        STUDY.results_of_listed_ablations(),
    output:
        f"{STUDY.folder}/workflow.html",
    log:
        f"{STUDY.folder}/logs/workflow_report.log",
    conda:
        "../environment.yml"
    params:
        snakefile=os.path.relpath(workflow.main_snakefile),
        study=f"{STUDY.folder}/study.json",
    message:
        "write {output}"
    shell:
        "python -m snakemake --snakefile {params.snakefile:q} --configfile {params.study:q}"
        " --report {output:q} -- {input:q} > {log:q} 2>&1"


rule partial:
    """Draw tables and figures of the runs that have finished so far."""
    log:
        f"{STUDY.folder}/logs/partial.log",
    conda:
        "../environment.yml"
    params:
        study=STUDY.folder,
    message:
        f"draw what is finished of {STUDY.folder}"
    shell:
        "python -m asura partial {params.study:q} 2>&1 | tee {log:q}"
