"""The first record of a run: how long the program had run before."""

import textwrap

from tests.lifecycle.children import run_script
from tests.support import read_records


def test_the_time_before_the_first_run_of_a_program_is_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_script(
        textwrap.dedent("""
        import time
        from ase.build import bulk
        from ase.calculators.emt import EMT
        from instrumented_calc import profiled

        time.sleep(1.5)  # the system tells the start of a process to the second
        for path in ("first.jsonl", "second.jsonl"):
            atoms = bulk("Cu")
            with profiled(EMT(), path, summary=False) as atoms.calc:
                atoms.get_forces()
        """)
    )
    first, second = (read_records(name).all[0] for name in ("first.jsonl", "second.jsonl"))
    assert first["before_ns"] > 500_000_000
    assert "before_ns" not in second
