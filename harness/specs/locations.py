"""Where modules are, found without running any of them."""

from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec


def location(module: str) -> ModuleSpec | None:
    """Find a module by its absolute name; None where there is none.

    Unlike `find_spec` of a dotted name, this imports no package.
    """
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):  # made by hand: it does not say where it is from
        return None
    name = top
    for part in rest:
        places = spec.submodule_search_locations if spec else None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, places) if places else None
    return spec
