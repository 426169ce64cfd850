"""Limits that several checks share."""

# Below this volume per atom, A^3, a system is condensed (water: 10, liquid argon: 47).
CONDENSED_A3 = 40.0
# A change of the energy that is expected to be seen: files print 1e-4 eV or better, and single precision
# resolves 6e-8 of the energy, so ten times that is visible.
VISIBLE_EV, VISIBLE_SHARE = 1e-3, 1e-6
