"""Every error that instrumented-calc raises on purpose.

```
InstrumentedCalcError
├── NotACalculatorError   (also TypeError)   the wrapped object cannot be profiled
├── AlreadyProfiledError  (also ValueError)  the calculator already records elsewhere
├── NotADriverError       (also TypeError)   the attached object is not a dynamics or an optimizer
├── JournalPathError      (also OSError)     the journal cannot be written there
├── JournalReadError      (also ValueError)  the file is not a usable journal
├── TargetError           (also ValueError)  a `--require` expression cannot be read
├── SettingsError         (also ValueError)  a setting is of another type or out of its range
│   └── TraceSettingsError                   a `trace=` setting cannot be understood
├── MissingPackageError   (also ImportError) an optional package is not installed
├── ExperimentError       (also ValueError)  a system, protocol or saved profile cannot be used
├── IntakeError           (also ValueError)  a bundle cannot be read or written
└── ModelError            (also ValueError)  a model cannot be built as requested
```

Each message is one line: what is wrong, where, and how to fix it.
"""

from __future__ import annotations


class InstrumentedCalcError(Exception):
    """Base class of all errors of this package."""


class NotACalculatorError(InstrumentedCalcError, TypeError):
    """Raised when a wrapped object has neither `calculate` nor `evaluate`."""


class AlreadyProfiledError(InstrumentedCalcError, ValueError):
    """Raised when a profiled calculator is wrapped again for another journal."""


class NotADriverError(InstrumentedCalcError, TypeError):
    """Raised by `attach` for an object that is neither a dynamics nor an optimizer."""


class JournalPathError(InstrumentedCalcError, OSError):
    """Raised while wrapping, when the requested journal cannot be written."""

    def with_option(self, option: str) -> str:
        """Return the message for someone who gives the path by another option than `journal=`."""
        return str(self).replace("pass journal=", f"pass {option}")


class JournalReadError(InstrumentedCalcError, ValueError):
    """Raised when a file cannot be read as a journal."""


class TargetError(InstrumentedCalcError, ValueError):
    """Raised when a target such as ``p95/mean<2`` cannot be parsed."""


class SettingsError(InstrumentedCalcError, ValueError):
    """Raised while wrapping, when a setting is not usable; the message names it and its value."""


class TraceSettingsError(SettingsError):
    """Raised while wrapping, when `trace=` is neither a known word nor a usable `Trace`."""


class MissingPackageError(InstrumentedCalcError, ImportError):
    """Raised when a result needs a package that is not installed; the message names it."""


class ModelError(InstrumentedCalcError, ValueError):
    """Raised when a model's weights or settings cannot be used."""


class ExperimentError(InstrumentedCalcError, ValueError):
    """Raised when an experiment cannot run as requested, or its calculator fails."""


class IntakeError(InstrumentedCalcError, ValueError):
    """Raised when a bundle of results cannot be read or written."""
