"""Where the time of a FeNNol call goes, and the state of its neighbour lists without waiting for a device.

JAX returns before its device has computed, and the first read waits for all previous work. So a part waits
for one array of its result (those of one execution are complete together). FeNNol itself reads the list and
the result in its very next statement: this moves time to the part it belongs to and adds none.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from instrumented_calc.integration import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

# The function that ran shows what was computed: the stress function also gives forces.
MODEL_FUNCTIONS = {
    "_total_energy": "energy",
    "_energy_and_forces": "energy+forces",
    "_energy_and_forces_and_virial": "energy+forces+stress",
}


def parts(calc: Any) -> list[Part]:
    """Return the timed parts of a FeNNol calculator.

    Args:
        calc: A `FENNIXCalculator`.

    Returns:
        `inputs` (positions and cell to the device), `neighbour list`, `overflow check` (which makes
        the lists anew on the host if the device's had no room), `neighbour list on host` (the first
        call, a change of elements, or always with gpu_preprocessing=False), and the model's functions.
    """
    model, chain = calc.model, calc.model.preprocessing
    list_ready = partial(_await_list, _graph_key(calc))
    return [
        Part("inputs", calc, "preprocess"),
        Part("neighbour list", chain, "process", "neighbours", wait=list_ready, shapes=_shapes),
        Part("overflow check", chain, "check_reallocate", "neighbours"),
        Part("neighbour list on host", model, "preprocess", "neighbours"),
        *(
            Part(name, model, attribute, "model", wait=_await_energy, shapes=_shapes)
            for attribute, name in MODEL_FUNCTIONS.items()
        ),
    ]


def counts(calc: Any) -> dict[str, int]:
    """Return the state of the last call's neighbour lists.

    Args:
        calc: A `FENNIXCalculator` that has calculated.

    Returns:
        `overflows` (1 if a list of the device had no room, else 0), `lists_rebuilt` (how many lists
        were then made anew on the host), and the sizes that programs are compiled for, padding
        included: `edge_slots` (of the main graph, both directions), `angle_slots` and
        `neighbour_slots` (an atom's, where angles are). How many are in use only the device knows.
    """
    inputs = vars(calc).get("_fennol_inputs") or {}
    rebuilt = sum(_made_on_host(value) for value in inputs.values())
    found = {"overflows": int(rebuilt > 0), "lists_rebuilt": rebuilt}
    edges = inputs.get(_graph_key(calc), {}).get("edge_src")
    if edges is not None:
        found["edge_slots"] = edges.shape[0]
    angular = [value for value in inputs.values() if isinstance(value, dict) and "angle_src" in value]
    if angular:
        found["angle_slots"] = sum(graph["angle_src"].shape[0] for graph in angular)
        found["neighbour_slots"] = max(graph["__max_neigh_array"].shape[0] for graph in angular)
    return found


def _made_on_host(value: Any) -> bool:
    """Return whether a list was rebuilt after an overflow: only then FeNNol stores it in numpy arrays."""
    import numpy as np

    return any(isinstance(array, np.ndarray) for array in _arrays(value))


def _arrays(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    else:
        yield value


def _graph_key(calc: Any) -> str:
    """Return the name of the main graph: the one made by the first layer."""
    return str(getattr(calc.model.preprocessing.layers[0], "graph_key", ""))


def _shapes(_: Any, inputs: Any) -> tuple[Any, ...]:
    """Return the key of a program; the first argument is the weights or the lists' capacities."""
    return tuple(
        getattr(array, "shape", None)
        for value in inputs.values()
        for array in (value.values() if isinstance(value, dict) else (value,))
    )


def _await_list(graph_key: str, inputs: Any) -> None:
    # Not any array: those that are only passed through are ready before the program has run.
    distances = inputs.get(graph_key, {}).get("d12")
    if distances is not None:
        distances.block_until_ready()


def _await_energy(returned: Any) -> None:
    returned[0].block_until_ready()
