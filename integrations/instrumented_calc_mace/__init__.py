"""MACE for instrumented-calc: times the parts of mace-torch's own calculator, and describes its model.

```python
atoms.calc = ProfiledCalculator(mace_mp(model="medium-mpa-0", device="cuda"))
```

Importing this package imports neither torch nor mace-torch.
"""

from __future__ import annotations

from types import SimpleNamespace

from instrumented_calc_mace.evidence import describe, knows
from instrumented_calc_mace.parts import parts
from instrumented_calc_mace.specs import FORMS, build
from instrumented_calc_mace.weights import mace_calculator, random_model

integration = SimpleNamespace(knows=knows, describe=describe, parts=parts, build=build, FORMS=FORMS)

__all__ = ["integration", "mace_calculator", "random_model"]
