"""The records of a journal: these Structs *are* the schema.

A journal has one JSON object per line. The first record is `run_start`, the second `fields` (which describes
every field, so that readers need no package), the last `run_end`, unless the run was killed. Times are
integers in nanoseconds on the run's own monotonic clock, whose zero is `run_start`; memory is in bytes; the
unit is part of the name. An absent field was not measured, except for fields of kind *carried*, which are
written only when they change.

History of the format (the number after the slash is the major version; readers accept unknown keys and
unknown events of their own major version):

- `instrumented-calc/1`: first version.
"""

from instrumented_calc.journal.records.calls import Call as Call
from instrumented_calc.journal.records.calls import LastCalls as LastCalls
from instrumented_calc.journal.records.calls import OpenCall as OpenCall
from instrumented_calc.journal.records.calls import Slice as Slice
from instrumented_calc.journal.records.calls import black_box_path as black_box_path
from instrumented_calc.journal.records.environment import Environment as Environment
from instrumented_calc.journal.records.environment import Library as Library
from instrumented_calc.journal.records.environment import ThreadPool as ThreadPool
from instrumented_calc.journal.records.histogram import HISTOGRAM_BITS as HISTOGRAM_BITS
from instrumented_calc.journal.records.histogram import LARGEST_BUCKET as LARGEST_BUCKET
from instrumented_calc.journal.records.histogram import Bucket as Bucket
from instrumented_calc.journal.records.histogram import bucket_bounds as bucket_bounds
from instrumented_calc.journal.records.histogram import bucket_middle as bucket_middle
from instrumented_calc.journal.records.operations import Contraction as Contraction
from instrumented_calc.journal.records.operations import Contractions as Contractions
from instrumented_calc.journal.records.operations import Conversion as Conversion
from instrumented_calc.journal.records.operations import Conversions as Conversions
from instrumented_calc.journal.records.operations import Operands as Operands
from instrumented_calc.journal.records.operations import ProductTime as ProductTime
from instrumented_calc.journal.records.operations import ProductTimes as ProductTimes
from instrumented_calc.journal.records.operations import TracedOperation as TracedOperation
from instrumented_calc.journal.records.operations import TraceWindow as TraceWindow
from instrumented_calc.journal.records.places import CodeLine as CodeLine
from instrumented_calc.journal.records.places import Observers as Observers
from instrumented_calc.journal.records.places import ObserverTime as ObserverTime
from instrumented_calc.journal.records.places import Places as Places
from instrumented_calc.journal.records.places import ProfiledFunction as ProfiledFunction
from instrumented_calc.journal.records.places import SampledStack as SampledStack
from instrumented_calc.journal.records.places import StepProfiles as StepProfiles
from instrumented_calc.journal.records.readings import Gpu as Gpu
from instrumented_calc.journal.records.readings import Machine as Machine
from instrumented_calc.journal.records.readings import State as State
from instrumented_calc.journal.records.run import ComputedSystem as ComputedSystem
from instrumented_calc.journal.records.run import Counters as Counters
from instrumented_calc.journal.records.run import Finding as Finding
from instrumented_calc.journal.records.run import Lane as Lane
from instrumented_calc.journal.records.run import Notice as Notice
from instrumented_calc.journal.records.run import Phase as Phase
from instrumented_calc.journal.records.run import RunEnd as RunEnd
from instrumented_calc.journal.records.run import RunStart as RunStart
from instrumented_calc.journal.records.run import Tally as Tally
from instrumented_calc.journal.records.schema import MAJOR_VERSION as MAJOR_VERSION
from instrumented_calc.journal.records.schema import RECORDS as RECORDS
from instrumented_calc.journal.records.schema import SCHEMA as SCHEMA
from instrumented_calc.journal.records.schema import FieldMeaning as FieldMeaning
from instrumented_calc.journal.records.schema import Fields as Fields
from instrumented_calc.journal.records.schema import Record as Record
from instrumented_calc.journal.records.schema import describe as describe
from instrumented_calc.journal.records.schema import describe_fields as describe_fields
from instrumented_calc.journal.records.schema import json_schema as json_schema
from instrumented_calc.journal.records.values import LARGEST as LARGEST
from instrumented_calc.journal.records.values import Natural as Natural
from instrumented_calc.journal.records.values import Physical as Physical
from instrumented_calc.journal.records.values import Squares as Squares
from instrumented_calc.journal.records.values import Whole as Whole
