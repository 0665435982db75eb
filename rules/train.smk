rule train:
    """Train some seeds of a model, one after another, or resume them from their checkpoints."""
    input:
        STUDY.plan_of_job("trained"),
        STUDY.data_of_job,
        STUDY.starts_of_job,
        STUDY.choice_of_job,
    output:
        # All that is said of a run stands in its folder, and is not deleted when a job fails or starts again.
        touch(f"{STUDY.job}/trained"),
    log:
        f"{STUDY.job}/train.log",
    priority: STUDY.order_of_magnitude
    retries: 2
    conda:
        "../environment.yml"
    threads: STUDY.cores
    resources:
        mem_mb=STUDY.asked("mem_mb", 2000),
        runtime=STUDY.asked("runtime", 240),
        gpu=STUDY.gpus_to_train,
        nodes=STUDY.nodes,
    params:
        runs=STUDY.settings_of_job,
        processes=processes_option,
        device=device_variable,
    message:
        "train {wildcards.label} on {wildcards.task}, seeds {wildcards.seeds}"
    shell:
        "env {params.device:q} python -m asura train {params.runs:q} --log train.log {params.processes:q} > {log:q} 2>&1"
