"""Where a module lies, by the rules of Python's path based finder (importlib.machinery.FileFinder)."""

import os
import sys
from importlib.util import find_spec
from typing import NamedTuple


class Root(NamedTuple):
    """A folder of the module search path. Of a library, whole top-level packages are taken, not single modules. In one that
    is `behind` the standard library, none of that one's names are looked for."""

    folder: str
    library: bool
    behind: bool = False


class Found(NamedTuple):
    """What a name is: "package" (`file` is its __init__), "module", "extension" or "namespace" (no file)."""

    kind: str
    file: str | None
    places: tuple  # of a package: (folder, root) pairs where its submodules are looked for
    root: Root

    @property
    def folders(self):
        return [folder for folder, _ in self.places]


class Finder:
    def __init__(self, roots):
        self.roots = roots
        self._listings = {}
        self._compiled = {}

    def top(self, name):
        """Finds a top-level module in the roots, or None."""
        standard = is_standard(name)
        return self._find(name, [(root.folder, root) for root in self.roots if not (standard and root.behind)])

    def child(self, package, name):
        """Finds a submodule of a package that was found, or None."""
        return self._find(name, package.places)

    def listing(self, folder):
        """Names in a folder; of one that is missing or unreadable, none."""
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._listings[folder] = frozenset()
        return self._listings[folder]

    def _extensions(self, folder):
        """File names of compiled modules in a folder, by module name."""
        if folder not in self._compiled:
            names = sorted(name for name in self.listing(folder) if is_extension(name))
            self._compiled[folder] = {name.partition(".")[0]: name for name in names}
        return self._compiled[folder]

    def holds_python(self, folders):
        """True when some file below the folders is Python."""
        return any(
            name.endswith(".py") for folder in folders for _, _, names in os.walk(folder) for name in names
        )  # fmt: skip

    def _find(self, name, places):
        portions = []
        for folder, root in places:
            names = self.listing(folder)
            inner = os.path.join(folder, name)
            if name in names and os.path.isdir(inner):
                if "__init__.py" in self.listing(inner):
                    return Found("package", os.path.join(inner, "__init__.py"), ((inner, root),), root)
                portions.append((inner, root))
            # A package in a zip cannot load an extension module, so that a .py beside it is what runs there.
            if f"{name}.py" in names and os.path.isfile(f"{inner}.py"):
                return Found("module", f"{inner}.py", (), root)
            if name in self._extensions(folder):
                return Found("extension", os.path.join(folder, self._extensions(folder)[name]), (), root)
        return Found("namespace", None, tuple(portions), portions[0][1]) if portions else None


def is_extension(name):
    """True for the file name of a compiled extension module."""
    return name.endswith((".so", ".pyd"))


def is_standard(name):
    """True for a top-level module of this Python's standard library. Those of other systems, and those that a
    distribution leaves out, have names that a program may use."""
    return name in sys.stdlib_module_names and find_spec(name) is not None


def always_there(name):
    """True for modules inside the interpreter: no file on any search path can take their place."""
    import _imp

    return name in sys.builtin_module_names or _imp.is_frozen(name) or name == "encodings"
