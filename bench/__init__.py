"""Benches: check the answer, time it beside the peers, write what was measured."""
