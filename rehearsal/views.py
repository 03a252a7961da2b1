"""Shows the script other modules than the rest of the process sees.

PyTorch's own code asks `torch.cuda.is_available()` and looks up `torch.bfloat16` in many places. If these were replaced
in PyTorch itself, its optimizers, its compiler and its files would change their ways too. So the script alone gets a
copy of the module, with some names replaced: a view. Only methods of tensors and modules are replaced for everybody,
because objects carry those with them.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import types
from typing import Any


class Absent(RuntimeError):
    """The script asked a stand-in for something that the stand-in does not have."""


def view(real: types.ModuleType, **replaced: Any) -> types.ModuleType:
    """A copy of a module in which some names mean something else. What the script sets on it stays in the copy."""
    made = types.ModuleType(real.__name__, real.__doc__)
    made.__dict__.update(real.__dict__)
    made.__dict__.update(replaced)
    # Some names of PyTorch exist only once somebody asks for them.
    made.__dict__["__getattr__"] = lambda name: getattr(real, name)
    return made


def stub(name: str, **attributes: Any) -> types.ModuleType:
    """A module that stands in for a whole package. It refuses every name that it was not given."""
    made = types.ModuleType(name, f"A stand-in for {name}.")
    made.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
    made.__path__ = []
    made.__dict__.update(attributes)

    def refuse(attribute: str) -> Any:
        # Python and its tools look for dunder names, and take AttributeError for the answer "no".
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise Absent(f"the rehearsal has no stand-in for {name}.{attribute}")

    made.__dict__["__getattr__"] = refuse
    return made


class Imports:
    """The `import` of the script: it finds views and stand-ins by name, and everything else as usual."""

    def __init__(self) -> None:
        self.modules: dict[str, types.ModuleType] = {}
        self._builtins: dict[str, Any] = {**vars(builtins), "__import__": self}

    def add(self, *modules: types.ModuleType) -> None:
        """Lets the script find these modules under their own names."""
        for module in modules:
            self.modules[module.__name__] = module

    def __call__(
        self,
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> types.ModuleType:
        found = self.modules.get(name)
        top = self.modules.get(name.partition(".")[0])
        if level or top is None:
            return builtins.__import__(name, globals, locals, fromlist, level)
        if found is None:
            # A part of a package that has a view, but no view of its own. It may not have been imported yet.
            found = importlib.import_module(name)
        return found if fromlist else top

    def by_name(self, name: str, package: str | None = None) -> types.ModuleType:
        """What `importlib.import_module` finds."""
        if name.startswith(".") or name.partition(".")[0] not in self.modules:
            return importlib.import_module(name, package)
        return self(name, fromlist=("",))

    def builtins(self) -> dict[str, Any]:
        """What a script gets as its `__builtins__`: one dictionary, by which its code can be recognized."""
        return self._builtins
