"""Orb for instrumented-calc: builds orb-models' own calculator, and describes its model.

```python
atoms.calc = ProfiledCalculator(OrbCalculator("orb-v2", device="cuda"))
```

Importing this package imports neither torch nor orb-models.
"""

from __future__ import annotations

from instrumented_calc_orb import evidence as integration
from instrumented_calc_orb.loading import OrbCalculator
from instrumented_calc_orb.weights import random_weights

__all__ = ["OrbCalculator", "integration", "random_weights"]
