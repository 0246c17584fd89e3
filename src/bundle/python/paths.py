"""How a source file uses its own place: edits of sys.path that can be followed, and reads that cannot work."""

import ast
import os
from typing import NamedTuple


JOINING = ("join", "joinpath", "Path", "PurePath", "str", "fspath", "as_posix")


class Edit(NamedTuple):
    """A folder put on sys.path: in front of the others, or behind."""

    folder: str
    front: bool
    line: int
    column: int


class Uses(NamedTuple):
    edits: list
    file_places: list  # of `__file__` where it is more than a name or an edit of sys.path
    opens: list  # (path, line, column) of open("literal"), for reading


class Paths:
    """Evaluates path expressions made of `__file__`, literals, os.path and pathlib."""

    def __init__(self, tree, file, current_folder):
        self._file = file
        self._current_folder = current_folder
        self._assigned = {}
        for node in tree.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self._assigned.setdefault(node.targets[0].id, node.value)

    def value(self, node, depth=0):
        """The path or text an expression stands for, or None."""
        if depth > 20:
            return None
        again = lambda other: self.value(other, depth + 1)  # noqa: E731
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            if node.id == "__file__":
                return self._file
            return again(self._assigned[node.id]) if node.id in self._assigned else None
        if isinstance(node, ast.Attribute):
            if ast.unparse(node) in ("os.pardir", "os.curdir", "os.sep"):
                return {"os.pardir": "..", "os.curdir": ".", "os.sep": "/"}[ast.unparse(node)]
            inner = again(node.value)
            return os.path.dirname(inner) if inner is not None and node.attr == "parent" else None
        if isinstance(node, ast.Subscript):
            return self._parents(node, again)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Add)):
            left, right = again(node.left), again(node.right)
            if left is None or right is None:
                return None
            return os.path.join(left, right) if isinstance(node.op, ast.Div) else left + right
        return self._call(node, again) if isinstance(node, ast.Call) else None

    def folder(self, node):
        """Like `value`, made absolute: a relative path counts from the project's folder."""
        value = self.value(node)
        return None if value is None else os.path.normpath(os.path.join(self._current_folder, value))

    def _parents(self, node, again):
        if not (isinstance(node.value, ast.Attribute) and node.value.attr == "parents"):
            return None
        inner, index = again(node.value.value), node.slice
        if inner is None or not (isinstance(index, ast.Constant) and isinstance(index.value, int)):
            return None
        for _ in range(index.value + 1):
            inner = os.path.dirname(inner)
        return inner

    def _call(self, node, again):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if isinstance(node.func, ast.Attribute) and called in ("resolve", "absolute", "as_posix", "joinpath"):
            parts = [again(node.func.value), *(again(argument) for argument in node.args if called == "joinpath")]
        else:
            parts = [again(argument) for argument in node.args]
        if not parts or None in parts:
            return None
        if called in ("abspath", "realpath", "normpath", "resolve", "absolute"):
            return os.path.normpath(os.path.join(self._current_folder, parts[0]))
        if called == "dirname":
            return os.path.dirname(parts[0])
        return os.path.join(*parts) if called in JOINING else None


def uses(tree, file, current_folder, column_of):
    """The {@link Uses} of one file."""
    paths = Paths(tree, file, current_folder)
    edits, harmless = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if ast.unparse(node.func.value) == "sys.path" and node.func.attr in ("insert", "append", "extend"):
                harmless.update(ast.walk(node))
                value = node.args[-1]
                for item in value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]:
                    folder = paths.folder(item)
                    if folder is not None:
                        edits.append(Edit(folder, node.func.attr == "insert", node.lineno, column_of(node)))
            elif node.func.attr == "basename":
                harmless.update(ast.walk(node))
        elif isinstance(node, ast.Attribute) and node.attr in ("name", "stem"):
            harmless.update(ast.walk(node))
    places = sorted((node.lineno, column_of(node)) for node in _reads_of_file(tree, harmless))
    return Uses(edits, places, _opens(tree, column_of))


def _reads_of_file(tree, harmless):
    """`__file__` wherever it, or a name assigned from it, is used for something else than an edit of sys.path."""
    loads = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    # Backwards, because what a name is used for stands below its assignment.
    for statement in reversed(tree.body):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            used = [node for node in loads if node.id == name]
            if used and harmless.issuperset(used):
                harmless = harmless.union(ast.walk(statement))
    return [node for node in loads if node.id == "__file__" and node not in harmless]


def _opens(tree, column_of):
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and node.args and ast.unparse(node.func) == "open"):
            continue
        path = node.args[0]
        mode = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "mode"), None)
        reading = mode is None or (isinstance(mode, ast.Constant) and str(mode.value).startswith("r"))
        if reading and isinstance(path, ast.Constant) and isinstance(path.value, str) and not os.path.isabs(path.value):
            found.append((path.value, node.lineno, column_of(node)))
    return found
