rule evaluate:
    """Score a trained run on every split and benchmark, at every number of iterations."""
    input:
        STUDY.plan_of_run("evaluated"),
        STUDY.weights_of_run,
        STUDY.data_of_run,
        STUDY.benchmark_documents,
    output:
        f"{STUDY.run}/evaluation.json",
    log:
        f"{STUDY.run}/evaluate.log",
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=STUDY.asked("mem_mb", 2000),
        runtime=STUDY.asked("runtime", 60),
        gpu=STUDY.asked("gpu", 1),
    params:
        iterations=STUDY.plan.evaluation["iterations"],
        examples=STUDY.plan.evaluation["examples"],
        benchmarks=STUDY.benchmark_options,
        processes=processes_option,
        run=subpath(output[0], parent=True),
    message:
        "evaluate {wildcards.label} on {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python -m asura evaluate {params.run:q} --iterations {params.iterations:q} --examples {params.examples:q}"
        " {params.benchmarks:q} {params.processes:q} --threads {threads} > {log:q} 2>&1"
