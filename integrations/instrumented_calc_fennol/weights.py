"""Models with seeded random weights, for use when no trained one is available."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ModelError
from instrumented_calc_fennol.loading import imported

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

ELEMENTS = ["H", "C", "N", "O", "S", "F", "Cl"]  # those of ANI-2x
CUTOFF, ANGULAR_CUTOFF = 5.1, 3.5  # A, of ANI-2x


def random_model(
    path: str | os.PathLike[str],
    kind: str = "ani",
    seed: int = 0,
    hidden: Sequence[int] = (256, 192, 160),
) -> Path:
    """Save a model with random weights that FeNNol's own loader accepts. It is not physical.

    Its energy also has a ZBL repulsion, so that dynamics with it does not collapse.

    Args:
        path: File to write, by custom `.fnx`.
        kind: `ani`, of ANI-2x's descriptors and elements (J. Chem. Theory Comput. 16, 4192 (2020)), or
            `crate`, a small one of FeNNol's own (J. Chem. Phys. 161, 042502 (2024)).
        seed: Seed of the random weights.
        hidden: Widths of the network's hidden layers; the default is ANI-2x's for hydrogen.

    Returns:
        The path.

    Raises:
        ModelError: The kind is not one of the two, or FeNNol cannot be imported.
    """
    fennix = imported("fennol").FENNIX
    import jax

    if kind not in KINDS:
        message = f"kind={kind!r}: use one of {', '.join(KINDS)}"
        raise ModelError(message)
    modules, preprocessing = KINDS[kind](list(hidden))
    modules["repulsion"] = {"module_name": "REPULSION_ZBL", "trainable": True}
    model = fennix(
        cutoff=CUTOFF,
        modules=OrderedDict(modules),
        preprocessing=OrderedDict(preprocessing),
        rng_key=jax.random.PRNGKey(seed),
        energy_terms=["energy", "repulsion"],
        example_data=_one_of_each(),
    )
    path = Path(path)
    model.save(path)
    return path


def _ani(hidden: list[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    modules = {
        "embedding": {
            "module_name": "ANI_AEV",
            "embedding_key": "embedding",
            "species_order": ELEMENTS,
            "graph_key": "graph",
            "graph_angle_key": "graph_angle",
            "radial_eta": 19.7,
            "angular_eta": 12.5,
            "radial_dist_divisions": 16,
            "angular_dist_divisions": 8,
            "zeta": 14.1,
            "angle_sections": 4,
            "radial_start": 0.8,
            "angular_start": 0.8,
        },
        "energy": {
            "module_name": "SPECIES_INDEX_NET",
            "species_index_key": "species_index",
            "species_order": ELEMENTS,
            "activation": "partial(celu,alpha=0.1)",
            "output_dim": 1,
            "hidden_neurons": hidden,
            "input_key": "embedding",
            "squeeze": True,
        },
    }
    return modules, {**_angles(), "species_indexer": {"output_key": "species_index"}}


def _crate(hidden: list[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    modules = {
        "embedding": {
            "module_name": "CRATE",
            "dim": 24,
            "nlayers": 2,
            "graph_angle_key": "graph_angle",
            "embedding_key": "embedding",
        },
        "energy": {"module_name": "NEURAL_NET", "neurons": [*hidden, 1], "input_key": "embedding"},
    }
    return modules, _angles()


KINDS = {"ani": _ani, "crate": _crate}


def _angles() -> dict[str, Any]:
    return {
        "graph_filter_angle": {
            "module_name": "GRAPH_FILTER",
            "cutoff": ANGULAR_CUTOFF,
            "graph_key": "graph_angle",
            "parent_graph": "graph",
        },
        "angle_extension": {"module_name": "GRAPH_ANGULAR_EXTENSION", "graph_key": "graph_angle"},
    }


def _one_of_each() -> dict[str, Any]:
    """Return one atom of each element, with angles: FeNNol shapes the weights by an example."""
    import numpy as np

    numbers = np.array([1, 6, 7, 8, 16, 9, 17], np.int32)
    corners = np.argwhere(np.ones((2, 2, 2)))[: len(numbers)]
    return {
        "species": numbers,
        "natoms": np.array([len(numbers)], np.int32),
        "batch_index": np.zeros(len(numbers), np.int32),
        "coordinates": 2.0 * corners,
    }
