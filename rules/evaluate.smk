rule evaluate:
    """Score trained seeds of a model on every split and benchmark, at every number of iterations."""
    input:
        STUDY.plan_of_job("evaluated"),
        STUDY.training_of_job,
        STUDY.data_of_job,
        STUDY.benchmark_documents,
    output:
        touch(f"{STUDY.job}/evaluated"),
    log:
        f"{STUDY.job}/evaluate.log",
    priority: FIRST
    conda:
        "../environment.yml"
    threads: STUDY.cores
    resources:
        mem_mb=STUDY.asked("mem_mb", 2000),
        runtime=STUDY.asked("runtime", 60),
        gpu=STUDY.gpus_to_evaluate,
        nodes=STUDY.nodes,
    params:
        runs=STUDY.runs_of_job,
        processes=processes_option,
        device=device_variable,
    message:
        "evaluate {wildcards.label} on {wildcards.task}, seeds {wildcards.seeds}"
    shell:
        "env {params.device:q} python -m asura evaluate {params.runs:q} --log evaluate.log {params.processes:q}"
        " > {log:q} 2>&1"
