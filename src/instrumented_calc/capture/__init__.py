"""Code that runs inside the MD process: it makes rows and passes them to the journal, and never reads them.

`calculator` wraps, `recorder` makes rows, `driver` finds who requests forces, `probes` sample the process,
`thinning` keeps a journal small, `ends` ensures that every run ends.
"""
