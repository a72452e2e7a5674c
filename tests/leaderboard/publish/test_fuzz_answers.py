"""Any answer of a W&B server: what was asked for, or one line that does nothing to a terminal."""

import io
import json
from typing import Any

from hypothesis import strategies as st

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.leaderboard.publish import connect, listing, question, report
from plasticity_bench.leaderboard.publish.question import Answer, Deferred
from tests.fuzzing import LONGEST_MESSAGE, as_json, check_shown, fuzz, mutated, torn, tries

VIEWER = {
    "id": "1",
    "entity": "tester",
    "username": "tester",
    "teams": {"edges": [{"node": {"name": "a-team"}}]},
}
RUN = {"name": "r-1", "state": "finished", "historyLineCount": 6}
VIEW = {"id": "View:1", "name": "x", "displayName": "x", "description": "x", "spec": "{}"}
PAGE = {"hasNextPage": False, "endCursor": "1"}


def listed(name: str, *nodes: Any) -> dict[str, Any]:
    edges = [{"node": node} for node in nodes]
    return {"project": {name: {"edges": edges, "pageInfo": PAGE}}}


ASKED: dict[str, tuple[type[Answer], dict[str, Any]]] = {
    "Viewer": (connect._WhoWeAre, {"viewer": VIEWER}),
    "ProjectThere": (connect._ProjectThere, {"project": {"id": "1"}}),
    "RunsThere": (listing._RunsThere, listed("runs", RUN, RUN)),
    "ProjectViews": (report._ProjectViews, listed("allViews", VIEW)),
}


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return the name of a question, and the bytes of a mutated answer to it."""
    name = draw(st.sampled_from(list(ASKED)))
    sound: dict[str, Any] = {"data": ASKED[name][1]}
    if draw(st.booleans()):
        sound = {**sound, "errors": [{"message": "internal error"}]}
    content = as_json(draw(mutated(sound, "json")))
    return name, draw(st.one_of(st.just(content), torn(json.dumps(sound).encode())))


def check_message(text: str) -> None:
    """What is said of an answer is one line."""
    check_shown(text, markup=False)
    assert text.isprintable()
    assert len(text) <= LONGEST_MESSAGE


@tries(150, 20_000)
def test_any_answer_is_what_was_asked_for_or_deferred(examples: int) -> None:
    def body(answer: tuple[str, bytes]) -> None:
        name, content = answer
        try:
            read = question._read(io.BytesIO(content), "http://x", name, ASKED[name][0])
        except (BenchError, Deferred) as error:
            check_message(str(error))
        else:
            assert isinstance(read, ASKED[name][0])

    fuzz(body, answers(), examples)
