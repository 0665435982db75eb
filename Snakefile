import json
import os
import sys
from contextlib import contextmanager
from glob import glob
from pathlib import Path

import asura
from asura.planning.ablations import prepare_ablation
from asura.corpora.folders import corpus_folder, data_folder
from asura.corpora.packages import wheel
from asura.common.errors import UserError
from asura.planning.plan import digest, load, prepare
from asura.common.validation import in_file, nearest
from asura.common.yaml_file import read_yaml

if not workflow.config_settings.configfiles:

    configfile: "configs/default.yaml"


report: "rules/captions/study.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/ablation.smk"


for path in sorted(Path(workflow.basedir, "rules", "ablations").glob("*.smk")):

    include: str(path)


check_ablations()


include: "rules/report.smk"


rule all:
    default_target: True
    input:
        f"{STUDY}/report.html",
        rules.report.input,
        rules.collect.output,
        every_run,
