rule evaluate:
    input:
        f"{RUN}/training.json",
        f"{RUN}/weights.safetensors",
        data_of_run,
        benchmark_data,
    output:
        f"{RUN}/evaluation.json",
    log:
        f"{RUN}/evaluate.log",
    benchmark:
        f"{RUN}/evaluate.benchmark.tsv"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=asked("mem_mb", 2000),
        runtime=asked("runtime", 60),
        gpu=asked("gpu", 1),
    params:
        iterations=PLAN.evaluation["iterations"],
        examples=PLAN.evaluation["examples"],
        benchmarks=benchmark_options,
        processes=processes_of,
        run=subpath(output[0], parent=True),
    message:
        "evaluate {wildcards.label} on {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python -m asura evaluate {params.run:q} --iterations {params.iterations:q} --examples {params.examples:q}"
        " {params.benchmarks:q} {params.processes:q} --threads {threads} > {log:q} 2>&1"
