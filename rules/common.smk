# The plan of the study, and where its files stand. All that is computed is computed by `asura` commands.

RESULTS = Path("results")


def load_plan():
    """The plan of the configured study, whose run.json files are written where they have changed."""
    files = [str(path) for path in workflow.config_settings.configfiles] or ["configs/default.yaml"]
    try:
        for file in files:
            read_yaml(Path(file))  # refuses what Snakemake's own reader lets pass, as a key that stands twice
        with in_file(", ".join(files)):
            return prepare(config, RESULTS)
    except UserError as error:
        sys.exit(f"asura: {error}")
    except OSError as error:
        sys.exit(f"asura: {error.filename}: {error.strerror}")


PLAN = load_plan()
STUDY = (RESULTS / PLAN.study).as_posix()
RUN = f"{STUDY}/runs/{{task}}/{{label}}/seed{{seed}}"
# The `python` of the rules is the one that runs Snakemake, also where its environment is not activated.
os.environ |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.getenv("PATH", os.defpath)])}


wildcard_constraints:
    task=r"[^/]+",
    label=r"[^/]+",
    seed=r"\d+",
    table=r"[^/]+",
    figure=r"[^/]+",


def of_every_run(name):
    """The file of this name in the folder of every run."""
    return [f"{STUDY}/{folder}/{name}" for folder in PLAN.runs]
