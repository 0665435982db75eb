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
    retries: 2
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=asked("mem_mb", 2000),
        runtime=asked("runtime", 240),
        gpu=asked("gpu", 1),
    params:
        out=subpath(output.record, parent=True),
    message:
        "train {wildcards.label} on {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python -m asura train {input:q} --out {params.out:q} --threads {threads} > {log:q} 2>&1"
