"""The proof that money moves once: crashes at every line and every call, races, dead workers, hostile banks.

A short form runs with all tests; the long one is `./paydesk prove`.
"""
