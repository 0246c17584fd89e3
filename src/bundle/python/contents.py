"""Which files go into the bundle, and under which names.

Of the project: the modules that are imported, and the data files of the packages among them. The entry's own folder is
no package, so that nothing else in it is taken: in a zip no `open()` could read it. Of libraries (the vendor folder and the
SDK): whole top-level packages.
"""

import os
from typing import NamedTuple

from distributions import describe, top_level
from finder import is_extension

# Folders at the top of a project that are never a package's data.
NOT_DATA = ("vendor", "node_modules", "out")

# Written by pip for the machine it ran on: the place a package was installed from, and hashes of byte code.
HOST_RECORDS = ("direct_url.json", "RECORD", "REQUESTED", "INSTALLER")


class Layout(NamedTuple):
    """Real paths. `base`: the folder that the bundle's `app-src/` mirrors."""

    base: str
    project: str
    vendor: str
    sdk: str

    def name(self, path, library):
        """The name in the zip. Distributions have to lie at its top: importlib.metadata looks nowhere else."""
        folder, prefix = self.base, "app-src"
        if library:
            folder, prefix = (self.vendor, "") if is_inside(path, self.vendor) else (self.sdk, "rt-sdk")
        return os.path.normpath(os.path.join(prefix, os.path.relpath(path, folder)))

    def holds(self, path):
        return any(is_inside(path, folder) for folder in self)


def is_inside(path, folder):
    """True for the folder itself and all below it. Both are real paths."""
    return path == folder or path.startswith(folder + os.sep)


class Contents:
    """Collects (name, path) pairs; `errors` are links that leave the project.

    `distributions` describes the libraries by their `.dist-info` folders; `undescribed` are vendored modules without.
    """

    def __init__(self, layout):
        self.layout = layout
        self.files = {}
        self.distributions = {}
        self.undescribed = set()
        self.errors = []

    def add(self, path, library):
        """Takes one file, unless it is reached through a link that leaves the folder it is in."""
        target = os.path.realpath(path)
        if not self.layout.holds(target):
            text = f"this is a link to {target}, outside the project"
            self.errors.append(("RTK_BUNDLE_LINK", text, "copy the file into the project", path, None, None))
        elif os.path.isfile(target):
            self.files[self.layout.name(path, library)] = path

    def add_graph(self, graph):
        """Takes the graph's own modules, their packages' data, and the libraries it uses as a whole."""
        libraries = set()
        for file, root in graph.files:
            if not root.library:
                self.add(file, library=False)
        for module in graph.modules.values():
            found = module.found
            if found.root.library:
                libraries.add((module.name.partition(".")[0], found.root.folder))
            for folder, root in found.places:
                if not root.library:
                    self._add_data(folder, into_packages=found.kind == "package")
        for name, folder in libraries:
            self._add_library(name, folder)

    def _add_data(self, folder, into_packages, above=()):
        """Everything but Python. A folder without __init__ does not own the folders below that hold Python."""
        real = os.path.realpath(folder)
        if real in above:
            return
        for name in sorted(_listing(folder)):
            path = os.path.join(folder, name)
            if not _is_data(name) or (folder == self.layout.project and name in NOT_DATA):
                continue
            if os.path.isdir(path):
                if not os.path.exists(os.path.join(path, "pyvenv.cfg")) and (into_packages or not _holds_python(path)):
                    self._add_data(path, into_packages, (*above, real))
            elif not name.endswith(".py"):
                self.add(path, library=False)

    def _add_library(self, name, folder):
        path = os.path.join(folder, name)
        if os.path.isfile(f"{path}.py") and not os.path.isdir(path):
            self.add(f"{path}.py", library=True)
        else:
            self._add_whole(path)
        infos = [os.path.join(folder, info) for info in _listing(folder) if info.endswith(".dist-info")]
        owners = [info for info in infos if name in top_level(info)]
        for info in owners:
            self._add_whole(info, without=HOST_RECORDS)
            self.distributions[info] = describe(info)
        if not owners and folder == self.layout.vendor:
            self.undescribed.add(name)

    def _add_whole(self, folder, without=(), above=()):
        real = os.path.realpath(folder)
        if real in above:
            return
        for name in sorted(_listing(folder)):
            path = os.path.join(folder, name)
            if os.path.isdir(path):
                if _is_data(name):
                    self._add_whole(path, without, (*above, real))
            elif _is_data(name) and not is_extension(name) and name not in without:
                self.add(path, library=True)


def _is_data(name):
    return not (name.startswith(".") or name == "__pycache__" or name.endswith((".pyc", ".pyo")))


def _holds_python(folder):
    return any(name.endswith(".py") for _, _, names in os.walk(folder) for name in names)


def _listing(folder):
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
