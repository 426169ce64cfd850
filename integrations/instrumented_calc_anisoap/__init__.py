"""AniSOAP for instrumented-calc: an ASE calculator made of AniSOAP's parts, with models and frames for it.

```python
atoms = ellipsoids(1, 8)[0]
atoms.calc = ProfiledCalculator(AniSOAPCalculator(default_model()))
```

Importing this package imports no anisoap.
"""

from __future__ import annotations

from instrumented_calc_anisoap import evidence as integration
from instrumented_calc_anisoap.calculator import AniSOAPCalculator
from instrumented_calc_anisoap.frames import benzenes, ellipsoids
from instrumented_calc_anisoap.hypers import Hypers
from instrumented_calc_anisoap.model import Model, default_model

__all__ = [
    "AniSOAPCalculator",
    "Hypers",
    "Model",
    "benzenes",
    "default_model",
    "ellipsoids",
    "integration",
]
