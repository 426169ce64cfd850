"""Orb for instrumented-calc: builds orb-models' own calculator, and describes its model.

```python
atoms.calc = ProfiledCalculator(OrbCalculator("orb-v2", device="cuda"))
```

Importing this package imports neither torch nor orb-models.
"""

from __future__ import annotations

from types import SimpleNamespace

from instrumented_calc_orb.evidence import describe, knows
from instrumented_calc_orb.loading import OrbCalculator
from instrumented_calc_orb.parts import parts
from instrumented_calc_orb.specs import DEFAULT, FORMS, build
from instrumented_calc_orb.weights import random_weights

integration = SimpleNamespace(
    knows=knows, describe=describe, parts=parts, build=build, FORMS=FORMS, SPECS=(DEFAULT,)
)

__all__ = ["OrbCalculator", "integration", "random_weights"]
