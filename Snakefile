import os
import sys
from pathlib import Path

from snakemake.utils import min_version

from asura.common.version import PACKAGE
from asura.corpora.packages import wheel
from asura.planning.ablations import ablation_files
from asura.planning.job_options import device_variable, processes_option
from asura.planning.outputs import ABLATION_FIGURES, ABLATION_TABLES, ANALYSIS, FRAMES, TABLE_FORMATS, TUNING
from asura.planning.outputs import TUNING_FIGURES, TUNING_TABLES, choice_file, planned_figures
from asura.planning.products import MADE_OF, REPORT
from asura.planning.refusals import refuse_include, refuse_no_study, refusing
from asura.planning.workflow import StudyWorkflow

min_version("9.27")

if not workflow.configfiles:

    configfile: "configs/default.yaml"


report: "rules/captions/study.rst"


include: "rules/common.smk"
include: "rules/plan.smk"
include: "rules/data.smk"
include: "rules/tune.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/analyse.smk"
include: "rules/ablation.smk"


for path in ABLATION_FILES:

    include: str(path)


with refusing():
    STUDY.check_ablations()
    STUDY.say_what_stands()


include: "rules/report.smk"


onstart:
    # Only now is it known which trainings are forced, and that this is no dry run.
    for job in workflow.dag.needrun_jobs():
        if job.rule.name == "train" and workflow.dag.reason(job).forced:
            STUDY.forget(job.wildcards)


rule all:
    """Train and evaluate every model of the study, and write its tables, figures and report (the default)."""
    default_target: True
    input:
        rules.report.output,
        rules.tables.output,
        rules.figures.output,
        rules.collect.output,
        STUDY.results_of_tuning(),
        STUDY.results_of_analyses(),
        STUDY.results_of_listed_ablations(),
        STUDY.every_job,
    message:
        f"{STUDY.folder}/report.html is ready"
