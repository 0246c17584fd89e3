"""The graph of modules an entry needs, and every mistake found on the way."""

import ast
import os
import sys
import warnings
from collections import deque
from typing import NamedTuple

import references
from finder import always_there
from paths import uses


OWN_EXTENSION = "install it into the image's dist-packages with an overlay, or call the library through ctypes"


class Module(NamedTuple):
    name: str
    found: object  # finder.Found
    package: str | None  # what relative imports count from; None when the entry is run as a script
    cause: tuple | None  # of a library's module: the place (file, line, column) in the project that needs it


class Graph:
    """`modules` by name; `files` the sources to take; `imports` what the image has to have."""

    def __init__(self, finder, project, entry_folder):
        self.finder = finder
        self.modules = {}
        self.files = set()
        self.imports = {}
        self.errors = []
        self.warnings = []
        self._project = project
        self._entry_folder = entry_folder
        self._trees = {}
        self._required = deque()
        self._optional = deque()

    def walk(self, entry, package):
        """Follows the entry's imports until nothing new comes. What is certain to run goes first."""
        self.files.add((entry.file, entry.root))
        self._visit(Module("__main__", entry, package, None), is_entry=True, optional=False)
        while self._required or self._optional:
            if self._required:
                self._visit(self._required.popleft(), is_entry=False, optional=False)
            else:
                work = self._optional.popleft()
                if isinstance(work, Module):
                    self._visit(work, is_entry=False, optional=True)
                else:
                    self._follow(*work, optional=True)

    def _visit(self, module, is_entry, optional):
        found = module.found
        if found.file is None or found.kind == "extension":
            return
        parsed = self.parse(found.file, quiet=optional and found.root.library)
        if parsed is None:
            return
        tree, column_of = parsed
        visitor = references.References(is_entry, column_of)
        visitor.visit(tree)
        for reference in visitor.found:
            lenient = reference.optional or (reference.deferred and found.root.library)
            if optional or not lenient:
                self._follow(module, reference, optional=optional)
            else:
                self._optional.append((module, reference))
        if not found.root.library:
            self._warn_about(tree, found.file, column_of, visitor.unknown)

    def _follow(self, module, reference, optional):
        """Loads what one import names. `optional`: whatever is missing stays missing without a word."""
        complain = None if optional else (lambda code, text, hint=None: self._error(module, reference, code, text, hint))
        name = self._absolute(module, reference, complain)
        if name is None:
            return
        cause = self._place(module, reference.line, reference.column)
        target = self._load(name, module, cause, complain, optional)
        if target is None or target.found.kind not in ("package", "namespace"):
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
            inner = self._load_child(target, child, cause, optional)
            if line and complain is not None:
                if inner is None:
                    self._check_bound(target, child, module, line, column)
                elif inner.found.kind == "extension":
                    self._extension(inner, complain)

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

    def _load(self, name, importer, cause, complain, optional):
        """The module of that dotted name, or None when the image has to have it, or nobody has."""
        top, *rest = name.split(".")
        if always_there(top):
            return None
        module = self._load_top(top, cause, optional)
        if module is not None and module.found.kind == "namespace" and not self._is_local_namespace(module, rest):
            module = None
        if module is None:
            if complain:
                needed_by = importer.name if importer.found.root.library else None
                self.imports.setdefault(top, (*cause, needed_by))
            return None
        for part in rest:
            if module.found.kind == "extension":
                break
            inner = self._load_child(module, part, cause, optional)
            if inner is None:
                if complain and not module.found.root.library and self._is_closed(module):
                    complain("RTK_BUNDLE_IMPORT", f"there is no module {name}", self._suggest(module, part))
                return None
            module = inner
        if module.found.kind == "extension" and complain:
            self._extension(module, complain)
        return module

    def _load_top(self, name, cause, optional):
        return self._known(name, lambda: self.finder.top(name), cause, optional)

    def _load_child(self, package, name, cause, optional):
        return self._known(f"{package.name}.{name}", lambda: self.finder.child(package.found, name), cause, optional)

    def _known(self, name, find, cause, optional):
        if name not in self.modules:
            found = find()
            if found is None:
                return None
            is_package = found.kind in ("package", "namespace")
            self.modules[name] = Module(name, found, name if is_package else name.rpartition(".")[0], cause)
            if found.file is not None and found.kind != "extension":
                self.files.add((found.file, found.root))
            (self._optional if optional else self._required).append(self.modules[name])
        return self.modules[name]

    def _is_local_namespace(self, module, rest):
        """A folder without __init__ gives way to any module of that name further along the search path."""
        if module.name in sys.stdlib_module_names:
            return False
        if rest and self.finder.child(module.found, rest[0]) is not None:
            return True
        return not module.found.root.library and self.finder.holds_python(module.found.folders)

    def _is_closed(self, module):
        """True when the package's submodules are its files and nothing else."""
        if module.found.kind != "package":
            return True
        parsed = self.parse(module.found.file, quiet=True)
        return parsed is not None and "__path__" not in {getattr(node, "id", "") for node in ast.walk(parsed[0])}

    def _check_bound(self, package, name, importer, line, column):
        """`from package import name` where no file is called so: then the package's own code has to bind it."""
        if package.found.root.library:
            return
        if package.found.kind == "package":
            parsed = self.parse(package.found.file, quiet=True)
            bound = None if parsed is None else references.bound_names(parsed[0])
            if bound is None or name in bound:
                return
        text = f"the package {package.name} has no {name}: no module is called so, and its __init__ does not define it"
        if package.found.kind == "namespace":
            text = f"the folder {package.name.replace('.', '/')} has no module {name}"
        self.errors.append(
            ("RTK_BUNDLE_IMPORT", text, self._suggest(package, name), importer.found.file, line, column)
        )  # fmt: skip

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
                if stem.isidentifier() and stem != "__init__" and (ending == ".py" or (not ending and os.path.isdir(path))):
                    if ending or self.finder.holds_python([path]):
                        names.add(stem)
        return sorted(names)

    def _exported(self, package):
        parsed = None if package.found.file is None else self.parse(package.found.file, quiet=True)
        return [] if parsed is None else references.all_names(parsed[0])

    def _extension(self, module, complain):
        name = os.path.basename(module.found.file)
        complain(
            "RTK_BUNDLE_PYTHON_EXTENSION",
            f"{module.name} is a compiled extension module ({name}), which cannot be part of a bundle",
            f"debian:{module.name.partition('.')[0]}" if module.found.root.library else OWN_EXTENSION,
        )

    def parse(self, file, quiet):
        """The file's syntax tree and a function from a node to its column (from 1), or None after reporting why not."""
        if file not in self._trees:
            self._trees[file] = self._parse(file)
        result = self._trees[file]
        if not isinstance(result, tuple) or len(result) == 2:
            return result
        if not quiet and result not in self.errors:
            self.errors.append(result)
        return None

    def _parse(self, file):
        try:
            with open(file, "rb") as stream:
                source = stream.read()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(source, file)
                compile(source, file, "exec", dont_inherit=True)
        except SyntaxError as error:
            text = f"Python {sys.version_info[0]}.{sys.version_info[1]} rejects this: {error.msg}"
            if error.text and error.text.strip():
                text += f": {error.text.strip()}"
            return ("RTK_BUNDLE_SYNTAX", text, _syntax_hint(error), file, error.lineno or 1, max(error.offset or 1, 1))
        except (ValueError, RecursionError, MemoryError) as error:
            return ("RTK_BUNDLE_SYNTAX", f"Python cannot compile this: {error}", None, file, 1, 1)
        except OSError as error:
            return ("RTK_BUNDLE_READ", f"cannot read the module: {error.strerror}", None, file, 1, 1)
        lines = source.splitlines()

        def column_of(node):
            line = lines[node.lineno - 1] if node.lineno <= len(lines) else b""
            return len(line[: node.col_offset].decode("utf-8", "replace")) + 1

        return tree, column_of

    def _warn_about(self, tree, file, column_of, unknown):
        used = uses(tree, file, self._project, column_of)
        for line, column in unknown:
            text = "what is imported here is known only when the node runs; if it is a file of the project, import it by name somewhere"
            self.warnings.append((text, file, line, column))
        for line, column in used.file_places[:1]:
            text = "__file__ is a path inside the bundle: files beside it cannot be opened; read them with importlib.resources from a package"
            self.warnings.append((text, file, line, column))
        for path, line, column in used.opens:
            if any(os.path.isfile(os.path.join(folder, path)) for folder in (self._project, self._entry_folder)):
                text = f"{path} is not in the bundle, and the working folder on the board is another; read it with importlib.resources from a package"
                self.warnings.append((text, file, line, column))

    def _error(self, module, reference, code, text, hint):
        self.errors.append((code, text, hint, *self._place(module, reference.line, reference.column)))

    def _place(self, module, line, column):
        """Where a mistake is shown: in the project, never inside a library it uses."""
        return module.cause if module.found.root.library else (module.found.file, line, column)


def _syntax_hint(error):
    if "Missing parentheses in call to 'print'" in (error.msg or ""):
        return "this is Python 2; `2to3 -w FILE` converts it"
    if "codec can't decode" in (error.msg or "") or "Non-UTF-8" in (error.msg or ""):
        return "save the file as UTF-8, or declare its encoding in the first line (PEP 263)"
    return None
