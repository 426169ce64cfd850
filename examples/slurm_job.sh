#!/bin/bash
# One simulation as a Slurm job, in a folder with emt_md.py: sbatch slurm_job.sh
# The environment that has Python and instrumented-calc is active where it is submitted. For many: sweep emit slurm.
#SBATCH --job-name=copper
#SBATCH --cpus-per-task=1
#SBATCH --mem=500M
#SBATCH --time=00:30:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=copper-%j.log

export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
python emt_md.py
code=$?
# A part of a requeued job has a journal of its own (emt-2.jsonl); the report has all of them.
instrumented-calc report emt.jsonl
exit "$code"
