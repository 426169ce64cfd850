"""Plain submit files of a sweep: a folder that a batch system runs without this program on the submit node.

```
sweep-slurm/            made by `sweep emit slurm`
  manifest.json         the sweep
  keys.txt              the cells to run, one key a line
  sweep-1.sbatch, ...   array jobs, each below the limit of an array
  logs/  results/       what the jobs write
sweep-htcondor/         made by `sweep emit htcondor`
  manifest.json  keys.txt
  sweep.sub             one job per key; transfers all that a cell needs, and its journal back
  cell.sh               what a job runs, in a folder that has the transferred files only
  logs/  returned/      what comes back
```

All names in these files are fixed or keys of cells, which are safe words of a shell. What a user may choose
is accepted only if it is such a word.
"""
