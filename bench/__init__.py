"""Measurements, each with real processes: `python -m bench [name ...]`, or `make bench`.

Every number that is printed was measured in that run, and every scenario checks that what had to arrive did arrive.
CPU is user and system time of the server process with its compute children. Runs that are compared alternate, because
machines drift. Linux only: other processes' CPU clocks and memory are read as Linux tells them.
"""
