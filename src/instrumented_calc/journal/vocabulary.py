"""Names that parts of the package write and others recognize, although neither may import the other."""

from __future__ import annotations

# Environment variable that names the folder in which a process creates all its journals.
JOURNALS_VARIABLE = "INSTRUMENTED_CALC_JOURNALS"
# Kind of the notices on probes that could not be opened; their texts begin with the name of the probe.
NOT_MEASURED = "not-measured"
GARBAGE_COLLECTION = "garbage collection"
# Group of a backward pass that gives both.
FORCES_AND_STRESS = "forces and stress"
# Count of neighbour-list builds by ASE, matscipy and vesin.
LIST_BUILDS = "list builds"
# Class of the exception by which ASE's calculators answer that they lack a property: not a failure.
NOT_IMPLEMENTED = "PropertyNotImplementedError"
# Stands for all contractions, operands, conversions or traced operations beyond the limit of a table.
OTHER = "*other*"
# In the notes of our own results in MLFF-Distiller's format, whose components were timed: it distinguishes
# them from those of the other profiler.
RECORDED_HERE = "recorded by instrumented-calc"
# Parts of a run that a sampled stack can be in.
CALCULATOR = "calculator"
DRIVER = "driver"
OBSERVERS = "observers"
OUTSIDE = "other"
BETWEEN = "between"
RECORDER = "recorder"
# Component of samples at a moment when a call ran that ended before its stack could be read.
UNSEEN = "*not seen*"
# Why a step was not profiled.
OVER_BUDGET = "over budget"
PROFILER_ACTIVE = "another profiler"
INTERRUPTED = "interrupted"
STEP_TOO_LONG = "too long"
PYTHON_TOO_OLD = "before Python 3.12"
# Numbers of threads, read by the libraries when they are loaded, so they must be set before.
THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TORCH_NUM_THREADS",
)
