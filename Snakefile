# The DAG of dvc.yaml as Snakemake rules; nothing is defined here.
#   snakemake --cores all        run it           snakemake -n           what would run
#   snakemake --report report.html                 snakemake --workflow-profile workflow/profiles/slurm
import sys

sys.path.insert(0, workflow.basedir)

from workflow.dag import Dag

dag = Dag(workflow.basedir)


report: "workflow/report/workflow.rst"


def flagged(output, stage):
    """Folders and figures as Snakemake wants them declared."""
    if output.is_folder:
        return directory(output.path)
    if output.is_figure:
        return report(output.path, category=stage.category, subcategory=stage.item, labels={"figure": output.title})
    return output.path


rule all:
    input:
        dag.targets,


for stage in dag.rules:

    rule:
        name:
            stage.name
        input:
            stage.inputs,
        output:
            [flagged(output, stage) for output in stage.outputs],
        params:
            command=stage.command,
            values=stage.params,
        log:
            f"logs/{stage.name}.log",
        conda:
            "workflow/envs/cytopipe.yaml"
        threads: stage.meta["threads"]
        resources:
            gpu=stage.meta["gpu"],
            mem_mb=stage.meta["mem_mb"],
            runtime=stage.meta["runtime"],
        shell:
            "({params.command}) 2>&1 | tee {log}"
