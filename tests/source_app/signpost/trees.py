"""Signposts for tests: a small valid one, and random valid ones that Hypothesis generates."""

from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]  # as `tomllib` reads it

ROUTES = ("talk", "conduct", "integrity", "complaints", "sg")


def a_route(examples: int = 0) -> Document:
    texts = ("name", "what", "happens", "who_sees", "can", "cannot", "anonymous", "elsewhere")
    return {text: f"About {text}." for text in texts} | {"examples": ["It took too long."] * examples}


def a_question(number: int, *to: int) -> Document:
    answers = [{"text": f"Answer {place}.", "to": each} for place, each in enumerate(to, 1)]
    return {"number": number, "text": "What is it?", "hint": "Choose one.", "answers": answers}


def an_outcome(number: int, *routes: str) -> Document:
    return {"number": number, "text": "This may fit.", "hint": "Read it.", "routes": list(routes)}


def a_signpost() -> Document:
    """Return a signpost with two questions (50 and 20) and three outcomes (70, 40 and 90)."""
    return {
        "first": 50,
        "question": [a_question(50, 20, 70), a_question(20, 90, 40)],
        "outcome": [
            an_outcome(70, "talk", "sg"),
            an_outcome(40, "conduct", "integrity"),
            an_outcome(90, "complaints"),
        ],
        "route": {route: a_route(4 if route == "complaints" else 0) for route in ROUTES},
    }


@st.composite
def signposts(draw: st.DrawFn) -> Document:
    """Generate a random valid signpost, with up to six questions on a path and page numbers in any order."""
    # Steps that share no factor with 90 visit every number once: any order would take ninety draws.
    first, step = draw(st.integers(0, 89)), draw(st.sampled_from([1, 7, 11, 13, 43, 77, 89]))
    numbers = [10 + (first + step * place) % 90 for place in range(90)]
    questions: list[Document] = []
    ends: list[int] = []
    places = [(numbers[0], 1)]  # pages still to be made, and how many questions are on the way to each
    used = 1
    while places:
        number, depth = places.pop(0)
        if questions and (depth > 6 or len(questions) > 8 or draw(st.booleans())):
            ends.append(number)
            continue
        # The first question gets enough answers for every route to have an outcome.
        count = draw(st.integers(2 if questions else 3, 5))
        children = numbers[used : used + count]
        used += count
        questions.append(a_question(number, *children))
        places += [(child, depth + 1) for child in children]
    spare = list(draw(st.permutations(ROUTES)))
    outcomes = []
    for end in ends:
        routes = [spare.pop() for _ in range(min(2, len(spare)))]
        one = st.lists(st.sampled_from(ROUTES), min_size=1, max_size=2, unique=True)
        outcomes.append(an_outcome(end, *(routes or draw(one))))
    return {
        "first": numbers[0],
        "question": draw(st.permutations(questions)),
        "outcome": draw(st.permutations(outcomes)),
        "route": a_signpost()["route"],
    }
