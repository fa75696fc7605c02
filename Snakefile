# The DAG of dvc.yaml as Snakemake rules; nothing is defined here. Rules have the names of DVC's stages.
#   snakemake --cores all                    run it        snakemake -n        what would run
#   snakemake --cores 2 evaluate@NAME        one stage and all before it
#   snakemake --report report.html           figures, times and parameters of a finished run
#   snakemake --workflow-profile slurm       on a cluster, see workflow/profiles/; kubernetes: with S3 and no common disk
#   ... --config arrays=true --slurm-array-jobs all     the stages of one kind as one array of jobs
#   snakemake --sdm apptainer                each stage in a container, see docs/deployment.md
#   snakemake --touch --forceall             take over what DVC made; the other way round: dvc commit --force
import os
import re
import sys
from datetime import UTC, datetime

sys.path.insert(0, workflow.basedir)

from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import DeploymentMethod

from cytopipe.errors import CytopipeError
from workflow import stored
from workflow.dag import Dag
from workflow.killed_pass import clear_locks

if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    raise WorkflowError("--sdm conda is not offered: `make setup` makes the environment, --sdm apptainer a container")

# Where inputs and outputs lie in a store, such as S3, no disk is common to all jobs.
in_store = workflow.storage_settings.default_storage_provider is not None

if workflow.is_main_process:  # not in the jobs of a cluster
    clear_locks()

try:
    dag = Dag(workflow.basedir, git=not in_store)
except CytopipeError as error:
    raise WorkflowError(error)

# The image that Containerfile builds, or a file of workflow/apptainer.def; read with --sdm apptainer alone.
IMAGE = os.environ.get("CYTOPIPE_IMAGE", "cytopipe.sif")

# All stages of this run share one name in MLflow, on whatever machine they run.
os.environ.setdefault("CYTOPIPE_PASS", f"snakemake-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}")


report: "workflow/report/workflow.rst"


def flagged(output, stage):
    """Folders and figures as Snakemake wants them declared."""
    if output.holds_figures:
        shown = {"category": stage.heading, "subcategory": stage.item, "labels": {"figure": "{figure}"}}
        return report(directory(output.path), patterns=["{figure,[^/]+}.png"], **shown)
    if output.is_folder:
        return directory(output.path)
    if output.is_figure:
        return report(output.path, category=stage.heading, subcategory=stage.item, labels={"figure": output.title})
    return output.path


# A scheduler that ends a job sends SIGTERM to all its processes: `tee` stays until the stage has said its last words.
made = stored.produced(dag)
TEE = "2>&1 | (trap '' TERM; exec tee {log})"
RUN = f"({{params.command}}) {TEE}"
RUN_IN_STORE = f"(python -m workflow.stored {{params.copies}} -- {{params.command:q}}) {TEE}"


def parameters(stage):
    """What a change of reruns the rule, and what its shell command names."""
    if not in_store:
        return {"command": stage.command, "values": stage.params}
    copies = lambda wildcards, input, output: stored.arguments(stage, made, input, output)
    return {"command": stage.command, "values": stage.params, "sources": stored.sources(stage, made), "copies": copies}


onerror:
    shell("python workflow/next_steps.py failed")


rule all:
    input:
        dag.targets,


# Slurm submits the jobs of one rule as an array: with arrays=true stages of one kind are one rule, without names of their own.
families = dag.families if not in_store and str(config.get("arrays", "")).lower() in ("true", "1") else []
several = {rule.name for family in families for rule in family.rules.values()}


for stage in dag.rules:
    if stage.name in several:
        continue

    rule:
        name:
            stage.name
        input:
            stored.inputs(stage, made) if in_store else stage.inputs,
        output:
            [flagged(output, stage) for output in stage.outputs],
        params:
            **parameters(stage),
        log:
            local(f"logs/{stage.name}.log"),
        container:
            IMAGE
        threads: stage.meta["threads"]
        resources:
            gpu=stage.gpus,
            # A job that a cluster ends, as it took more memory or time, is tried again with more (profile: retries).
            mem_mb=lambda wildcards, attempt, base=stage.meta["mem_mb"]: base * attempt,
            runtime=lambda wildcards, attempt, base=stage.meta["runtime"]: base * attempt,
        shell:
            RUN_IN_STORE if in_store else RUN


for family in families:

    rule:
        name:
            family.name
        wildcard_constraints:
            item="|".join(re.escape(item) for item in family.rules),
        input:
            lambda wildcards, rules=family.rules: rules[wildcards.item].inputs,
        output:
            [flagged(output, family) for output in family.outputs],
        params:
            command=lambda wildcards, rules=family.rules: rules[wildcards.item].command,
            values=lambda wildcards, rules=family.rules: rules[wildcards.item].params,
        log:
            f"logs/{family.name}@{{item}}.log",
        container:
            IMAGE
        threads: family.first.meta["threads"]
        resources:
            gpu=family.first.gpus,
            mem_mb=lambda wildcards, attempt, base=family.first.meta["mem_mb"]: base * attempt,
            runtime=lambda wildcards, attempt, base=family.first.meta["runtime"]: base * attempt,
        shell:
            RUN
