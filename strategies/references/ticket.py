"""The wish to see what a structure is worth on its own."""

from dataclasses import dataclass

from ...harness.engine.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class WinningTicket(Strategy):
    """Train the final structure again from new weights: same stream and seed.

    The result then holds `wt_acc`, `wt_taa`, `wt_taoa` and `delta_wt_cycle` as well; the run itself
    is what it would be without. It takes about twice the time. Source: Lillo and Cheney 2026,
    section 4, after Frankle and Carbin 2019.
    """

    name = "winning-ticket"
    retrains = True
