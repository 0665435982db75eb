rule train:
    """Train one model with one seed, or resume it from its checkpoint."""
    input:
        plan=STUDY.plan_of_run("trained"),
        data=STUDY.data_of_run,
        start=STUDY.start_of_run,
    output:
        # Not deleted before the job: the command itself knows whether what is there is the result of this run.
        record=update(f"{STUDY.run}/training.json"),
        weights=update(f"{STUDY.run}/weights.safetensors"),
    log:
        f"{STUDY.run}/train.log",
    retries: 2
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=STUDY.asked("mem_mb", 2000),
        runtime=STUDY.asked("runtime", 240),
        gpu=STUDY.asked("gpu", 1),
    params:
        run=f"{STUDY.run}/run.json",
        out=subpath(output.record, parent=True),
        start=start_option,
        processes=processes_option,
    message:
        "train {wildcards.label} on {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python -m asura train {params.run:q} --out {params.out:q} {params.start:q} {params.processes:q}"
        " --threads {threads} > {log:q} 2>&1"
