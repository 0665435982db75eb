rule train:
    input:
        run=f"{RUN}/run.json",
        data=data_of_run,
        start=start_of_run,
    output:
        # Not deleted before the job: the command itself knows whether what is there is the result of this run.
        record=update(f"{RUN}/training.json"),
        weights=update(f"{RUN}/weights.safetensors"),
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
        start=start_folder,
        processes=processes_of,
    message:
        "train {wildcards.label} on {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python -m asura train {input.run:q} --out {params.out:q} {params.start:q} {params.processes:q}"
        " --threads {threads} > {log:q} 2>&1"
