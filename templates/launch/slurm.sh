#!/bin/bash
# {{ name }}: one task of the array for each seed. Written by `caddie submit --on slurm`.
#SBATCH --job-name={{ slug }}
#SBATCH --array=0-{{ seeds | length - 1 }}
#SBATCH --nodes=1
#SBATCH --ntasks=1
{% if gpus %}
#SBATCH --gpus-per-node={{ gpus }}
{% endif %}
#SBATCH --time={{ minutes }}
#SBATCH --output={{ runs }}/slurm-%A_%a.txt

set -eu
seeds=({{ seeds | join(" ") }})
# The environment of this job has what a module or a virtual environment needs: activate it here.
cd {{ folder | sh }}
exec {{ command | sh }} --seeds "${seeds[$SLURM_ARRAY_TASK_ID]}"
