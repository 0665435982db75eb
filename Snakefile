import os
import sys
from pathlib import Path

from snakemake.utils import min_version

from asura.corpora.packages import wheel
from asura.planning.ablations import ablation_files
from asura.planning.outputs import ABLATION_FIGURES, ABLATION_TABLES, FIGURES, FRAMES
from asura.planning.workflow import StudyWorkflow, refuse_include, refusing, reporting_code

min_version("9.27")

if not workflow.configfiles:

    configfile: "configs/default.yaml"


report: "rules/captions/study.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/ablation.smk"


for path in ABLATION_FILES:

    include: str(path)


with refusing():
    STUDY.check_ablations()


include: "rules/report.smk"


rule all:
    """Train and evaluate every model of the study, and write its tables, figures and report (the default)."""
    default_target: True
    input:
        rules.report.output,
        rules.report.input,
        rules.collect.output,
        STUDY.every_run,
    message:
        f"{STUDY.folder}/report.html is ready"
