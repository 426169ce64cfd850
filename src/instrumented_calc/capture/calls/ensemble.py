"""The ensemble that an integrator of ASE samples: given by its class, or by what it was made with."""

from __future__ import annotations

from typing import Any

ENSEMBLES = {
    "VelocityVerlet": "NVE",
    "Langevin": "NVT",
    "Andersen": "NVT",
    "Bussi": "NVT",
    "NVTBerendsen": "NVT",
    "NoseHooverChainNVT": "NVT",
    "NPTBerendsen": "NPT",
    "Inhomogeneous_NPTBerendsen": "NPT",
    "IsotropicMTKNPT": "NPT",
    "MTKNPT": "NPT",
}

# The thermostat and the barostat of these integrators are optional. The first attribute is None without a
# thermostat, the second without a barostat.
OPTIONAL = {
    "LangevinBAOAB": ("temperature_K", "externalstress"),
    "NPT": ("ttime", "pfactor_given"),
    "MelchionnaNPT": ("ttime", "pfactor_given"),
}


def ensemble_of(driver: Any) -> str:
    """Return the ensemble of an integrator: NVE, NVT, NPT, or NPH; empty if its class is unknown.

    Args:
        driver: An ASE integrator. A subclass has the ensemble of the class that it extends.
    """
    for name in (each.__name__ for each in type(driver).__mro__):
        if name in ENSEMBLES:
            return ENSEMBLES[name]
        if name in OPTIONAL:
            thermostat, barostat = (vars(driver).get(each) is not None for each in OPTIONAL[name])
            return {
                (False, False): "NVE",
                (True, False): "NVT",
                (True, True): "NPT",
                (False, True): "NPH",
            }[thermostat, barostat]
    return ""
