"""The folder of results: one immutable JSON file a run, a journal, and an index made from both.

`result_store` is the way in; nothing is ever locked, and only JSON is believed.

May import: nothing but the ground.

For others:
    files: create_file, replace_file
    index: up_to_date
    journal: Journal, newest
    merge: difference, merge, Merged, put, write_down
    result: checked, plain, Record, Result, Sources, Spec
    result_file: parsed
    result_store: default_folder, ResultStore
    upkeep: Problem, rebuild, verify
"""
