"""Simulated dynamic PET with known truth: phantoms, kinetics, projector, reconstruction.

Start at `kiview.simulate.slab` (training slabs) or `kiview.simulate.scan` (a whole study).
"""
