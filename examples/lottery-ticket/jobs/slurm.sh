#!/bin/bash
# A study over a Slurm array: each task takes a part of it, all in one shared directory.
#   sbatch examples/lottery-ticket/jobs/slurm.sh
# Run it again after a time limit or a failure: finished cells are skipped.
#SBATCH --job-name=lottery-ticket
#SBATCH --array=0-5
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --output=lottery-ticket-%a.log
# Ten minutes before the end Slurm sends this, as Ctrl-C does: the running training is finished and
# saved. Give it as long as a training takes.
#SBATCH --signal=INT@600
set -euo pipefail

# Built beforehand with `cargo build --release -p lottery-ticket`.
program=${PROGRAM:-target/release/lottery-ticket}
export RAYON_NUM_THREADS=$SLURM_CPUS_PER_TASK
exec srun "$program" --study lenet --seeds 3 \
  --data "${DATA:-$HOME/mnist}" --out "${STUDY:-$PWD/out/lenet-mnist}" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
