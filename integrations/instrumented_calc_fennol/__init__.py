"""FeNNol for instrumented-calc: builds FeNNol's own calculator, and knows the parts of its calls.

```python
atoms.calc = ProfiledCalculator(FeNNolCalculator("ani2x.fnx"))
```

Importing this package imports neither jax nor FeNNol.
"""

from __future__ import annotations

from instrumented_calc_fennol import integration
from instrumented_calc_fennol.loading import FeNNolCalculator
from instrumented_calc_fennol.weights import random_model

__all__ = ["FeNNolCalculator", "integration", "random_model"]
