"""Data sets: where their files are, how they are fetched and checked, and read as plain arrays.

One reader for each kind of file (MNIST and its kin are in `idx`); all sources by name are in
`sources`, and the commands `data ...` in `commands`.

May import: nothing but the ground.

For others:
    fetch: patience
    manage: fetch, Status, status
    sources: load_source, missing, reader_of, READERS, where
"""
