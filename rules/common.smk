# The study and its plan. What the other rules ask about it is computed by `asura.planning.workflow`.

HERE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent

with refusing():
    refuse_include(is_included=workflow.modifier.is_main_snakefile() and len(workflow.included_stack) > 2)
    STUDY = StudyWorkflow(
        config,
        [str(path) for path in workflow.configfiles],
        is_job=workflow.remote_exec,
        overrides=workflow.config_settings.config,
        is_forced=lambda: bool(workflow.dag_settings.forceall or workflow.dag_settings.forcerun),
    )
    ABLATION_FILES = ablation_files(
        STUDY.config, [HERE / "rules" / "ablations", Path(workflow.basedir, "rules", "ablations")]
    )

# The names that files in rules/ablations use.
ABLATIONS = STUDY.ablations
ablation_results = STUDY.ablation_results

FIRST = 1000
"""Priority of jobs that others wait for, and of scores, which are there as soon as a model is trained. Trainings have the
order of magnitude of their FLOPs."""

# The `python` of the rules is the one that runs Snakemake, also where its environment is not activated.
os.environ |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.getenv("PATH", os.defpath)])}


wildcard_constraints:
    task=r"[^/]+",
    label=r"[^/]+",
    seeds=r"\d+(-\d+)*",
    table=r"[^/]+",
    figure=r"[^/]+",
