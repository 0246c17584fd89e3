"""What one source file asks to import, found in its syntax tree."""

import ast
import re
from importlib.util import resolve_name
from typing import NamedTuple

from conditions import truth

CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

# Statements that are run whole, where others may leave out what is inside them.
SIMPLE = (ast.Import, ast.ImportFrom, ast.Expr, ast.Assign, ast.AnnAssign)

# Calls whose first argument, when it is a literal, names a package (importlib.resources, pkgutil, pkg_resources).
RESOURCE_CALLS = {
    "files", "open_text", "open_binary", "read_text", "read_binary", "path", "contents", "is_resource", "get_data",
    "resource_string", "resource_stream", "resource_filename", "resource_listdir",
}  # fmt: skip

# Calls that list the modules of the package whose `__path__` they are given (pkgutil).
LISTING_CALLS = ("iter_modules", "walk_packages")

DOTTED_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", re.ASCII)


class Reference(NamedTuple):
    """One import. `level` counts leading dots; `names` are those of `from … import`, with their places, else None."""

    level: int
    module: str
    names: tuple | None
    line: int
    column: int
    optional: bool  # its failure is caught, or it only may be a module
    deferred: bool  # not run when the module is loaded: in a function, or where another import failed
    conditional: bool  # run only under a condition that the source alone does not decide
    every: bool  # every module of the package: the name's last part is computed at run time
    mention: bool  # only a text that may name a module of the project, for a logging configuration or a table of plugins
    instead_of: tuple  # groups of references: where all of one group can be imported, this one is not run


class References(ast.NodeVisitor):
    """Walks one file. `found` are its references, `unknown` the places of imports whose name is computed; `lists` says
    that it takes the names from a listing of a package."""

    def __init__(self, is_entry, column_of, statements_only):
        self.found = []
        self.unknown = []
        self.lists = False
        self._is_entry = is_entry
        self._column_of = column_of
        self._bound = {}  # (level, module) by the name an import binds
        self._optional = False
        self._deferred = False
        self._conditional = False
        self._instead_of = ()
        self._statements_only = statements_only

    def generic_visit(self, node):
        """Of a library, whose packages are taken whole, expressions are not searched: that is most of the time."""
        if not self._statements_only:
            super().generic_visit(node)
            return
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, field, None)
            for statement in inner if isinstance(inner, list) else ():
                self.visit(statement)

    def visit_Import(self, node):
        for alias in node.names:
            self._bound[alias.asname or alias.name] = (0, alias.name)
            self._add(alias, 0, alias.name, None)

    def visit_ImportFrom(self, node):
        names = tuple((alias.name, alias.lineno, self._column_of(alias)) for alias in node.names)
        for alias in node.names:
            self._bound[alias.asname or alias.name] = (node.level, f"{node.module or ''}.{alias.name}".lstrip("."))
        self._add(node, node.level, node.module or "", names)

    def visit_Call(self, node):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        if called in ("import_module", "__import__") and node.args:
            self._dynamic(node)
        elif called in LISTING_CALLS and (node.args or node.keywords):
            self._list(node, node.args[0] if node.args else node.keywords[0].value)
        elif called in RESOURCE_CALLS and node.args:
            package = node.args[0]
            if isinstance(package, ast.Constant) and isinstance(package.value, str):
                if all(part.isidentifier() for part in package.value.split(".")):
                    self._add(node, 0, package.value, None, optional=True)
        self.generic_visit(node)

    def visit_Constant(self, node):
        if isinstance(node.value, str) and DOTTED_NAME.fullmatch(node.value):
            self._add(node, 0, node.value, None, optional=True, mention=True)

    def visit_If(self, node):
        value = truth(node.test, self._is_entry)
        if not self._statements_only:
            self.visit(node.test)
        if value is not False:
            self._branch(node.body, conditional=value is None)
        if value is not True:
            self._branch(node.orelse, conditional=value is None)

    def visit_Try(self, node):
        caught = any(_catches(handler) for handler in node.handlers)
        tried = self._tried(node.body, caught)
        for handler in node.handlers:
            self._branch(handler.body, deferred=True, instead_of=tried if _is_for_imports(handler) else ())
        self._branch(node.orelse, optional=caught and tried != ())
        self._branch(node.finalbody)

    visit_TryStar = visit_Try

    def visit_With(self, node):
        suppressed = any(_suppresses(item.context_expr) for item in node.items)
        for item in () if self._statements_only else node.items:
            self.visit(item)
        self._branch(node.body, optional=suppressed)

    def visit_FunctionDef(self, node):
        deferred, self._deferred = self._deferred, True
        self.generic_visit(node)
        self._deferred = deferred

    visit_AsyncFunctionDef = visit_FunctionDef

    def _tried(self, body, caught):
        """Visits the body of a try statement. Returns the groups of its imports that make a fallback needless: all that
        are sure to be run are one group; where none is, each other one is a group of its own."""
        sure, unsure = [], []
        for statement in body:
            before = len(self.found)
            self._branch([statement], optional=caught)
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            named = [reference for reference in self.found[before:] if not (reference.every or reference.mention)]
            (sure if isinstance(statement, SIMPLE) else unsure).extend(named)
        return (tuple(sure),) if sure else tuple((reference,) for reference in unsure)

    def _branch(self, body, optional=False, deferred=False, conditional=False, instead_of=()):
        before = self._optional, self._deferred, self._conditional, self._instead_of
        self._optional |= optional
        self._deferred |= deferred
        self._conditional |= conditional
        self._instead_of += instead_of
        for statement in body:
            self.visit(statement)
        self._optional, self._deferred, self._conditional, self._instead_of = before

    def _dynamic(self, node):
        name, complete = _prefix(node.args[0])
        package = node.args[1] if len(node.args) > 1 else None
        for keyword in node.keywords:
            package = keyword.value if keyword.arg == "package" else package
        level = len(name) - len(name.lstrip("."))
        if level and package is not None and isinstance(package, ast.Constant) and isinstance(package.value, str):
            try:
                name, level = f"{resolve_name('.' * level, package.value)}.{name[level:]}", 0
            except ImportError:  # it leads out of the top-level package
                name, level, complete = "", 0, False
        name = name.strip(".") if complete else name.lstrip(".")
        if complete:
            if name or level:
                self._add(node, level, name, None)
        elif level or "." in name:
            self._add(node, level, name.rpartition(".")[0], None, optional=True, every=True)
        else:
            self.unknown.append((node.lineno, self._column_of(node)))

    def _list(self, node, path):
        """`iter_modules(__path__)`, of the own package or of one that was imported."""
        if isinstance(path, ast.Name) and path.id == "__path__":
            level, module = 1, ""
        elif isinstance(path, ast.Attribute) and path.attr == "__path__" and ast.unparse(path.value) in self._bound:
            level, module = self._bound[ast.unparse(path.value)]
        else:
            return
        self._add(node, level, module, None, optional=True, every=True)
        self.lists = True

    def _add(self, place, level, module, names, optional=False, every=False, mention=False):
        flags = (self._optional or optional, self._deferred, self._conditional, every, mention, self._instead_of)
        self.found.append(Reference(level, module, names, place.lineno, self._column_of(place), *flags))


def _prefix(node):
    """The literal text an expression begins with, and whether that is all of it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value, True
    if isinstance(node, ast.JoinedStr) and node.values:
        first, *rest = node.values
        if rest and isinstance(first, ast.FormattedValue) and _is_own_package(first.value):
            return _prefix(rest[0])[0], False  # `.name` counts from there
        return _prefix(first)[0], False
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
        if _is_own_package(node.left):
            return _prefix(node.right)[0], False
        text = _prefix(node.left)[0]
        return (text.partition("%")[0] if isinstance(node.op, ast.Mod) else text), False
    return "", False


def _is_own_package(node):
    """`__package__`, and `__name__`, which is the same in a package's __init__ (in a module nothing is below it)."""
    return isinstance(node, ast.Name) and node.id in ("__package__", "__name__")


def _catches(handler):
    """True when the handler catches a failed import and lets the program go on."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise):
        return False
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        if ast.unparse(last.value.func) in ("sys.exit", "exit", "quit", "os._exit"):
            return False
    return _is_for_imports(handler)


def _is_for_imports(handler):
    """True when the handler is run for a failed import."""
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(ast.unparse(kind).removeprefix("builtins.") in CAUGHT for kind in types)


def _suppresses(node):
    if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("suppress", "contextlib.suppress"):
        return False
    return any(ast.unparse(argument) in CAUGHT for argument in node.args)


def bound_names(tree):
    """The names a module binds, or None when that cannot be told (star imports, `__getattr__`, `globals()`, …)."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler):
            names.add(node.name)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)):
            names.add(node.name)
    unclear = {"*", "__getattr__", "__path__", "globals", "vars", "setattr", "exec", "locals", "__import__"}
    if names & unclear or any(isinstance(node, ast.Attribute) and node.attr == "modules" for node in ast.walk(tree)):
        return None
    return names | {"__name__", "__doc__", "__file__", "__spec__", "__loader__", "__package__", "__dict__"}


def all_names(tree):
    """The literal strings of `__all__`."""
    names = []
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            value = getattr(node, "value", None)
            names += [item.value for item in getattr(value, "elts", []) if isinstance(item, ast.Constant)]
    return [name for name in names if isinstance(name, str)]
