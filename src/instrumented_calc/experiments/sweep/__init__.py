"""Sweeps: calculators x systems x sizes x replicates, as cells that run independently, here or on a cluster.

`scale` and `compare-all` run such cells, too, one at a time and without a manifest.

```
sweep.toml      what the user writes: lists, of which every combination is a cell
sweep.json      the manifest, made by `sweep plan`: every cell with its key
sweep/          the results
  KEY.jsonl                    journal of a cell that is done
  KEY.json                     its figures, made from that journal; may be made again at any time
  KEY.attempt-0f3a9c21.jsonl   journal of a cell that is running, failed or was killed
```

**The manifest** is JSON:

```json
{"schema": "instrumented-calc-sweep/1", "name": "metals", "cells": [
  {"key": "emt-copper-n32-r1-39d1de9eb501", "calc": "emt", "system": "copper", "n_atoms": 32, "replicate": 1,
   "steps": 100, "threads": 1, "temperature_k": 300.0, "seed": 0}]}
```

A key consists of letters, digits and dashes, starts with a letter or digit, has at most 100 characters, and
ends in a hash of all that defines the cell: it is a safe file name and a safe word of a shell. Equal cells of
two manifests have equal keys, so their results may share a folder.

**A cell is done if and only if** `KEY.jsonl` is a journal whose first record has the key as its `series` and
whose last one is a `run_end` without a failure. There is no other state: no database, no lock, no list of
finished cells. All that reads results (`run`, `run-cell`, `status`, `gather`) asks this question anew.

`run-cell` runs one cell in one new process with its threads pinned. All files that it creates in its folder
begin with the key. It does nothing if the cell is done, and so may be repeated, by several machines too.
"""
