"""The graph of modules an entry needs, and every mistake found on the way."""

import ast
import os
import sys
from collections import deque
from typing import NamedTuple

import references
from finder import always_there
from paths import uses
from sources import Sources


COMPUTED_IMPORT = (
    "what is imported here is known only when the node runs; if it is a file of the project, import it by name somewhere"
)
READ_DATA = "read data files with importlib.resources from a package"
OWN_EXTENSION = "install it into the image's dist-packages with an overlay, or call the library through ctypes"


class Module(NamedTuple):
    name: str
    found: object  # finder.Found
    package: str | None  # what relative imports count from; None when the entry is run as a script
    cause: tuple | None  # of a library's module: the place (file, line, column) in the project that needs it
    instead_of: tuple  # of one that only a fallback needs: see Way


class Way(NamedTuple):
    """How an import comes to run. `instead_of` are groups of top-level modules that only the image can have: where it has
    all of one group, the import is not run."""

    cause: tuple
    chance: int
    instead_of: tuple


# How sure it is that a module runs. What stands in for imports that fail (FALLBACK) is needed only where the image does
# not have those. A library's import under an unknown condition (CONDITIONAL) may well never run, so that it may lead
# nowhere; but where it leads to a file, that file counts. What is caught, and what a library does in its functions
# (POSSIBLE), may fail in every way.
CERTAIN, FALLBACK, CONDITIONAL, POSSIBLE = range(4)


class Graph:
    """`modules` by name; `files` the sources to take; `imports` what the image has to have, by its name
    and what it is instead of."""

    def __init__(self, finder, project, entry_folder):
        self.finder = finder
        self.modules = {}
        self.files = set()
        self.imports = {}
        self.errors = []
        self.warnings = []
        self._project = project
        self._entry_folder = entry_folder
        self._sources = Sources(self.errors)
        self._compiled = set()
        self._waiting = tuple(deque() for _ in range(4))

    def walk(self, entry, package):
        """Follows the entry's imports until nothing new comes. What is certain to run goes first."""
        self.files.add((entry.file, entry.root))
        self._visit(Module("__main__", entry, package, None, ()), CERTAIN, is_entry=True)
        while any(self._waiting):
            chance = next(level for level, queue in enumerate(self._waiting) if queue)
            module, reference, instead_of = self._waiting[chance].popleft()
            if reference is None:
                self._visit(module, chance, is_entry=False)
            else:
                self._follow(module, reference, chance, instead_of)

    def _visit(self, module, chance, is_entry):
        found = module.found
        if found.file is None or found.kind == "extension":
            return
        library = found.root.library
        parsed = self._sources.parse(found.file, library, quiet=library and chance > FALLBACK)
        if parsed is None:
            return
        tree, column_of = parsed
        visitor = references.References(is_entry, column_of, statements_only=library)
        visitor.visit(tree)
        for reference in visitor.found:
            instead_of = self._instead_of(module, reference)
            own = FALLBACK if instead_of else CERTAIN
            if () in instead_of or reference.optional or (library and reference.deferred):
                own = POSSIBLE
            elif library and reference.conditional:
                own = CONDITIONAL
            self._waiting[max(chance, own)].append((module, reference, instead_of))
        if not library:
            self._warn_about(tree, found.file, column_of, [] if visitor.lists else visitor.unknown)

    def _instead_of(self, module, reference):
        """Of each group of imports that a fallback stands in for, what only the image can have: nothing where the project
        has them all. A group that fails on every board is left out."""
        groups = []
        for group in reference.instead_of:
            missing = [self._missing(module, tried) for tried in group]
            if None not in missing:
                groups.append(tuple(sorted(set(missing) - {""})))
        return tuple(dict.fromkeys([*module.instead_of, *groups]))

    def _missing(self, module, reference):
        """The top-level module without which an import fails: "" when the bundle has it, None when nobody can have it."""
        name = self._absolute(module, reference, None)
        if name is None:
            return None
        top, *rest = name.split(".")
        found = None if always_there(top) else self.finder.top(top)
        if found is None or (found.kind == "namespace" and not self._is_local_namespace(top, found, rest)):
            return None if reference.level else top
        for part in rest:
            if found.kind == "extension":
                return None
            inner = self.finder.child(found, part)
            if inner is None:
                return None if not found.root.library and self._is_closed(found) else ""
            found = inner
        if found.kind in ("package", "namespace") and not found.root.library:
            for child, *_ in reference.names or ():
                if child != "*" and self.finder.child(found, child) is None and not self._may_bind(found, child):
                    return None
        return None if found.kind == "extension" else ""

    def _follow(self, module, reference, chance, instead_of):
        """Loads what one import names. Only where it is CERTAIN to run, or a FALLBACK, what is missing is a mistake."""

        def report(code, text, hint=None):
            self.errors.append((code, text, hint, *self._place(module, reference.line, reference.column)))

        if reference.mention and not self._is_own_module(reference.module):
            return
        complain = report if chance <= FALLBACK else None
        name = self._absolute(module, reference, complain)
        if name is None:
            return
        way = Way(self._place(module, reference.line, reference.column), chance, instead_of)
        target = self._load(name, module, way, complain)
        if target is None:
            return
        if target.found.kind == "extension" and chance != POSSIBLE:
            self._extension(target, report)
        if target.found.kind not in ("package", "namespace"):
            return
        if reference.every:
            wanted = [(child, 0, 0) for child in self._children(target)]
        elif reference.names == () or reference.names is None:
            return
        elif reference.names[0][0] == "*":
            wanted = [(child, 0, 0) for child in self._exported(target)]
        else:
            wanted = reference.names
        for child, line, column in wanted:
            inner = self._load_child(target, child, way)
            if line and inner is None and complain:
                self._check_bound(target, child, module, line, column)
            elif line and inner is not None and inner.found.kind == "extension" and chance != POSSIBLE:
                self._extension(inner, report)

    def _absolute(self, module, reference, complain):
        if reference.level == 0:
            return reference.module
        if not module.package:
            if complain:
                complain(
                    "RTK_BUNDLE_IMPORT",
                    "a relative import in a program that is in no package",
                    "import the module by its name, without the leading dot",
                )
            return None
        parts = module.package.split(".")
        if reference.level > len(parts):
            if complain:
                complain("RTK_BUNDLE_IMPORT", "this relative import leads out of the top-level package")
            return None
        base = ".".join(parts[: len(parts) - reference.level + 1])
        return f"{base}.{reference.module}" if reference.module else base

    def _load(self, name, importer, way, complain):
        """The module of that dotted name, or None when the image has to have it, or nobody has."""
        top, *rest = name.split(".")
        if always_there(top):
            return None
        module = self._load_top(top, way)
        if module is not None and module.found.kind == "namespace":
            if not self._is_local_namespace(top, module.found, rest):
                module = None
        if module is None:
            if complain:
                needed_by = importer.name if importer.found.root.library else None
                self.imports.setdefault((top, way.instead_of), (*way.cause, needed_by))
            return None
        for part in rest:
            if module.found.kind == "extension":
                break
            inner = self._load_child(module, part, way)
            if inner is None:
                if complain and not module.found.root.library and self._is_closed(module.found):
                    complain("RTK_BUNDLE_IMPORT", f"there is no module {name}", self._suggest(module, part))
                return None
            module = inner
        return module

    def _load_top(self, name, way):
        return self._known(name, lambda: self.finder.top(name), way)

    def _load_child(self, package, name, way):
        return self._known(f"{package.name}.{name}", lambda: self.finder.child(package.found, name), way)

    def _known(self, name, find, way):
        if name not in self.modules:
            found = find()
            if found is None:
                return None
            is_package = found.kind in ("package", "namespace")
            package = name if is_package else name.rpartition(".")[0]
            self.modules[name] = Module(name, found, package, way.cause, way.instead_of)
            if found.file is not None and found.kind != "extension":
                self.files.add((found.file, found.root))
            self._waiting[way.chance].append((self.modules[name], None, ()))
        return self.modules[name]

    def _is_own_module(self, name):
        """True when a dotted name begins with a package of the project and a module in it."""
        top, inner, *_ = name.split(".")
        found = None if top in sys.stdlib_module_names else self.finder.top(top)
        return found is not None and not found.root.library and self.finder.child(found, inner) is not None

    def _is_local_namespace(self, name, found, rest):
        """A folder without __init__ gives way to any module of that name further along the search path."""
        if name in sys.stdlib_module_names:
            return False
        if rest and self.finder.child(found, rest[0]) is not None:
            return True
        return not found.root.library and self.finder.holds_python(found.folders)

    def _is_closed(self, found):
        """True when the package's submodules are its files and nothing else."""
        if found.kind != "package":
            return True
        parsed = self._sources.parse(found.file, found.root.library, quiet=True)
        return parsed is not None and "__path__" not in {getattr(node, "id", "") for node in ast.walk(parsed[0])}

    def _check_bound(self, package, name, importer, line, column):
        """`from package import name` where no file is called so: then the package's own code has to bind it."""
        if package.found.root.library or self._may_bind(package.found, name):
            return
        text = f"the package {package.name} has no {name}: no module is called so, and its __init__ does not define it"
        if package.found.kind == "namespace":
            text = f"the folder {package.name.replace('.', '/')} has no module {name}"
        self.errors.append(
            ("RTK_BUNDLE_IMPORT", text, self._suggest(package, name), importer.found.file, line, column)
        )  # fmt: skip

    def _may_bind(self, found, name):
        """True when the __init__ of a package defines the name, or what it defines cannot be told."""
        if found.kind != "package":
            return False
        parsed = self._sources.parse(found.file, False, quiet=True)
        bound = None if parsed is None else references.bound_names(parsed[0])
        return bound is None or name in bound

    def _suggest(self, module, wrong):
        import difflib

        close = difflib.get_close_matches(wrong, self._children(module), 1)
        return f"did you mean {module.name}.{close[0]}?" if close else None

    def _children(self, package):
        names = set()
        for folder in package.found.folders:
            for name in self.finder.listing(folder):
                stem, ending = os.path.splitext(name)
                path = os.path.join(folder, name)
                if not stem.isidentifier() or stem == "__init__":
                    continue
                if ending == ".py" or (not ending and os.path.isdir(path) and self.finder.holds_python([path])):
                    names.add(stem)
        return sorted(names)

    def _exported(self, package):
        found = package.found
        parsed = None if found.file is None else self._sources.parse(found.file, found.root.library, quiet=True)
        return [] if parsed is None else references.all_names(parsed[0])

    def _extension(self, module, report):
        """Reported once for each import of a library, which may have many of them."""
        library = module.found.root.library
        top = module.name.partition(".")[0]
        if library and (top, module.cause) in self._compiled:
            return
        self._compiled.add((top, module.cause))
        name = os.path.basename(module.found.file)
        text = f"{module.name} is a compiled extension module ({name}), which cannot be part of a bundle"
        report("RTK_BUNDLE_PYTHON_EXTENSION", text, f"debian:{top}" if library else OWN_EXTENSION)

    def _warn_about(self, tree, file, column_of, unknown):
        used = uses(tree, file, self._project, column_of)
        for line, column in unknown:
            self.warnings.append((COMPUTED_IMPORT, file, line, column))
        for line, column in used.file_places[:1]:
            text = f"__file__ is a path inside the bundle: nothing beside it can be opened; {READ_DATA}"
            self.warnings.append((text, file, line, column))
        for path, line, column in used.opens:
            if any(os.path.isfile(os.path.join(folder, path)) for folder in (self._project, self._entry_folder)):
                text = f"{path} is not in the bundle, and the working folder on the board is another; {READ_DATA}"
                self.warnings.append((text, file, line, column))

    def _place(self, module, line, column):
        """Where a mistake is shown: in the project, never inside a library it uses."""
        return module.cause if module.found.root.library else (module.found.file, line, column)
