rule train:
    input:
        f"{RUN}/run.json",
    output:
        record=f"{RUN}/training.json",
        weights=f"{RUN}/weights.safetensors",
    log:
        f"{RUN}/train.log",
    benchmark:
        f"{RUN}/train.benchmark.tsv"
    retries: 1
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        out=subpath(output.record, parent=True),
    message:
        "train {wildcards.label} on {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python -m asura train {input:q} --out {params.out:q} --threads {threads} > {log:q} 2>&1"
