import os
import sys
from pathlib import Path

import asura
from asura.errors import UserError
from asura.planning import prepare
from asura.validation import in_file, read_yaml

if not workflow.config_settings.configfiles:

    configfile: "configs/default.yaml"


report: "rules/captions/study.rst"


include: "rules/common.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        f"{STUDY}/report.html",
