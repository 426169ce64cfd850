"""Real calculators of the libraries that people use, each with atoms to move.

The weights are those that the library ships, or random ones that the test makes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.mixing import SumCalculator
from ase.calculators.socketio import PySocketIOClient, SocketIOCalculator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ase import Atoms


class Stack(NamedTuple):
    """A calculator and what its parts must be.

    Attributes:
        library: Module without which it is skipped, or program if there is no such module.
        make: Returns a new calculator, given a folder for files.
        atoms: Returns the atoms.
        torch_model: Whether its parts are the modules of a torch model.
        backward: Whether it calculates forces by a backward pass.
        integration: The integration that names its parts, if there is one.
    """

    library: str
    make: Callable[[Path], Any]
    atoms: Callable[[], Atoms]
    torch_model: bool = False
    backward: bool = False
    integration: str = ""


def silicon() -> Atoms:
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True) * 2
    atoms.rattle(0.05, seed=1)
    return atoms


def ethanol() -> Atoms:
    return molecule("CH3CH2OH")


def ellipsoids() -> Atoms:
    from instrumented_calc_anisoap import ellipsoids as clusters

    (atoms,) = clusters(1, 4, ("X",))
    atoms.set_masses([78.0] * len(atoms))
    atoms.rattle(0.1, seed=0)  # at symmetric positions all forces are zero
    return atoms


def chgnet(_: Path) -> Any:
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu")


def sevennet(_: Path) -> Any:
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator("7net-0", device="cpu")


def mace(folder: Path) -> Any:
    from mace.calculators import MACECalculator

    from instrumented_calc_mace import random_model

    path = folder / "random.model"
    if not path.exists():
        random_model(path)
    return MACECalculator(model_paths=str(path), device="cpu")


def torchani(_: Path) -> Any:
    import torch
    from torchani.arch import simple_ani

    torch.manual_seed(0)
    return simple_ani(("H", "C", "O"), lot="wb97x-631gd", ensemble_size=2).ase()


def orb(_: Path) -> Any:
    from tests.integrations.orb_models_built import built

    from instrumented_calc_orb import OrbCalculator

    return OrbCalculator(built(), device="cpu")


def fennol(folder: Path) -> Any:
    from instrumented_calc_fennol import FeNNolCalculator, random_model

    path = folder / "random.fnx"
    if not path.exists():
        random_model(path, hidden=(16, 16))
    return FeNNolCalculator(path)


def anisoap(_: Path) -> Any:
    from instrumented_calc_anisoap import AniSOAPCalculator, default_model

    return AniSOAPCalculator(default_model())


def tblite(_: Path) -> Any:
    from tblite.ase import TBLite

    return TBLite(method="GFN2-xTB", verbosity=0)


def dispersion(folder: Path) -> Any:
    from dftd3.ase import DFTD3

    return SumCalculator([tblite(folder), DFTD3(method="PBE", damping="d3bj")])


def asap(_: Path) -> Any:
    import asap3

    return asap3.EMT()


def mopac(folder: Path) -> Any:
    from ase.calculators.mopac import MOPAC

    return MOPAC(label=str(folder / "mopac"), command="mopac PREFIX.mop 2> /dev/null")


def socket(_: Path) -> Any:
    return SocketIOCalculator(launch_client=PySocketIOClient(EMT), unixsocket=f"real-{os.getpid()}")


STACKS = {
    "CHGNet": Stack("chgnet", chgnet, silicon, torch_model=True, backward=True),
    "SevenNet": Stack("sevenn", sevennet, silicon, torch_model=True, backward=True),
    "MACE": Stack("mace", mace, silicon, torch_model=True, backward=True, integration="mace"),
    "TorchANI": Stack("torchani", torchani, ethanol, torch_model=True, backward=True),
    "Orb": Stack("orb_models", orb, silicon, torch_model=True, integration="orb"),
    "FeNNol": Stack("fennol", fennol, ethanol, integration="fennol"),
    "AniSOAP": Stack("anisoap", anisoap, ellipsoids, integration="anisoap"),
    "tblite": Stack("tblite", tblite, ethanol),
    "tblite + dftd3": Stack("dftd3", dispersion, ethanol),
    "asap3": Stack("asap3", asap, copper),
    "MOPAC": Stack("mopac", mopac, ethanol),
    "socket": Stack("ase", socket, copper),
}
