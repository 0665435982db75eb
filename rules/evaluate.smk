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
    threads: 1
    resources:
        mem_mb=STUDY.asked("mem_mb", 2000),
        runtime=STUDY.asked("runtime", 60),
        gpu=STUDY.asked("gpu", 1),
    params:
        runs=STUDY.runs_of_job,
        processes=processes_option,
    message:
        "evaluate {wildcards.label} on {wildcards.task}, seeds {wildcards.seeds}"
    shell:
        "python -m asura evaluate {params.runs:q} --log evaluate.log {params.processes:q} --threads {threads}"
        " > {log:q} 2>&1"
