"""Results of others: packed, read as hostile, made again, attested, and taken in.

The steps are `submission`, `archive_reading`, `reproduction`, `attestation` and `admission`.
Nothing that a file names is executed (`names`), and no work done beyond a bound (`work`).

May import: harness/execution, harness/metrics, harness/plugins, harness/specs, leaderboard/board,
            leaderboard/curves, leaderboard/store.

For others:
    admission: import_archive, trust_levels
    archive_reading: checked_archive, read_archive
    archive_rows: drawable
    attestation: as_file, attest, VERIFIED_FROM
    reproduction: Check, choose, reproduce
    submission: submission
    work: Bounds, USUAL
"""
