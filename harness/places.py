"""Where things are kept on this machine unless another place is named."""

import os
from pathlib import Path

DATA_VARIABLE = "PLASTICITY_BENCH_DATA"
"""Environment variable that names the folder of data sets."""
USERS_OWN = "~/.cache/plasticity-bench/data"
"""Where data sets are kept unless the user names a folder."""


def default_data_dir() -> Path:
    """Return the folder for data sets: $PLASTICITY_BENCH_DATA, else one in the user's cache."""
    return Path(os.environ.get(DATA_VARIABLE) or USERS_OWN).expanduser()
