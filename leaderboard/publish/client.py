"""How wandb is started here: quiet, bounded, private, and with everything in one process group."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .history import SECTIONS, TASK, UPDATE

if TYPE_CHECKING:
    from wandb import Settings

KEPT = {"WANDB_API_KEY", "WANDB_CONFIG_DIR"}
"""What a user may set of wandb's variables and we use; others could change ids, modes or names."""
START_PATIENCE, FINISH_PATIENCE = 15, 20
"""Seconds for the start and for the end of a run."""


def environment(base_url: str | None, folder: Path) -> dict[str, str]:
    """Return the environment for a process that uses wandb.

    Args:
        base_url: the server; None where none is needed.
        folder: for all that wandb writes.
    """
    chosen = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("WANDB_") or name in KEPT
    }
    places = {name: str(folder) for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR")}
    if base_url is not None:
        chosen["WANDB_BASE_URL"] = base_url
    return chosen | places | {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}


def settings(mode: str) -> "Settings":
    """Return settings that send nothing of the machine and wait for nothing without an end.

    Names that begin with x_ are private to wandb: what a version does not know is left out.

    Args:
        mode: "online" or "offline".
    """
    import wandb

    wanted: dict[str, Any] = {
        "mode": mode,
        "program": "plasticity-bench",
        "console": "off",
        "silent": True,
        "disable_git": True,
        "save_code": False,
        "x_disable_meta": True,
        "x_disable_machine_info": True,
        "x_disable_stats": True,
        "x_save_requirements": False,
        "x_transaction_log_flush_interval": 1,
        "x_graphql_timeout_seconds": 10,
        "x_file_stream_timeout_seconds": 10,
        "x_file_transfer_timeout_seconds": 60,
        "x_graphql_retry_max": 2,
        "x_file_stream_retry_max": 3,
        "x_file_transfer_retry_max": 3,
        "init_timeout": START_PATIENCE,
        "finish_timeout": FINISH_PATIENCE,
        "finish_timeout_raises": True,
    }
    known = _setting_names(wandb.Settings)
    return wandb.Settings(**{name: value for name, value in wanted.items() if name in known})


def _setting_names(cls: type) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(cls, "model_fields", None) or cls.__annotations__
    return fields


def define_metrics(run: Any) -> None:
    """Tell W&B what the horizontal axis of curves is; their last values are no results."""
    for axis in (TASK, UPDATE):
        run.define_metric(axis, summary="none")
    for section in SECTIONS.values():
        run.define_metric(f"{section}/*", step_metric=TASK, summary="none")


def stay_in_group() -> None:
    """Keep what wandb starts in the process group of this process.

    wandb gives its service a session of its own, in which it survives whoever started it, SIGTERM
    and the end of all patience. In our group it ends when the group is killed.
    """
    original = subprocess.Popen.__init__

    def start(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **{**options, "start_new_session": False})

    subprocess.Popen.__init__ = start  # type: ignore[method-assign]


def end_with_parent() -> None:
    """Kill this process group when the process that started it is gone: it holds our stdin."""

    def watch() -> None:
        sys.stdin.buffer.read()
        kill_group(os.getpid())

    threading.Thread(target=watch, daemon=True).start()


def kill_group(leader: int) -> None:
    """Kill a process and all that it has started."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(leader)], capture_output=True)
        return
    import signal

    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
