localrules:
    all,
    collect,
    tables,
    figures,
    report,
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
                caption=f"captions/{table}.rst",
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
        published=STUDY.published_option,
    message:
        f"write the tables of {STUDY.folder}"
    shell:
        "python -m asura tables {params.study:q} {params.published:q} > {log:q} 2>&1"


rule figures:
    """Draw the figures of the study."""
    input:
        STUDY.made_from("figures"),
    output:
        f"{STUDY.folder}/figures/{MADE_OF}",
        expand(f"{STUDY.folder}/figures/{{figure}}.{{form}}", figure=FIGURES, form=["png", "pdf"]),
        [
            report(
                f"{STUDY.folder}/figures/{figure}.svg",
                caption=f"captions/{figure}.rst",
                category="Figures",
                labels={"figure": figure.replace("_", " ")},
            )
            for figure in FIGURES
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
    """Write the report, which holds all tables and figures."""
    input:
        STUDY.made_from(REPORT),
    output:
        f"{STUDY.folder}/{REPORT}",
    log:
        f"{STUDY.folder}/logs/report.log",
    conda:
        "../environment.yml"
    params:
        snakefile=os.path.relpath(workflow.main_snakefile),
        study=f"{STUDY.folder}/study.json",
        shown=[*rules.tables.output, *rules.figures.output, *STUDY.results_of_listed_ablations()],
        made_of=STUDY.products.notes,
    message:
        "write {output}"
    shell:
        "(python -m snakemake --snakefile {params.snakefile:q} --configfile {params.study:q}"
        " --report {output:q} -- {params.shown:q}"
        " && (echo '<!--'; cat {params.made_of:q}; echo '-->') >> {output:q}) > {log:q} 2>&1"


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
