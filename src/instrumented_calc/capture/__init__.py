"""What runs inside the MD process: it makes rows and hands them to the journal, and never reads them.

`calculator` wraps, `recorder` makes rows, `driver` finds who asks for forces, `probes` sample the process,
`thinning` keeps a journal small, `ends` sees to it that every run has an end.
"""
