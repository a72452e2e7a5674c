"""Laws that plug-ins keep, and the checker that tells of each whether it holds.

So far they are for streams: both views are alike, a seed means the same in every process, memory
does not grow.

May import: harness/specs.

For others:
    stream: check_stream, Verdict
"""
