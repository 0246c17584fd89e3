"""Which branch of an `if` the target takes, as far as the source alone decides it."""

import ast
import sys

# What these expressions are on the board: the interpreter that runs this is the target's own version, on Linux.
KNOWN = {
    "sys.platform": "linux",
    "os.name": "posix",
    "platform.system()": "Linux",
    "sys.version_info": tuple(sys.version_info[:3]),
    "sys.version_info[0]": sys.version_info[0],
    "sys.version_info.major": sys.version_info[0],
    "sys.version_info.minor": sys.version_info[1],
    "sys.version_info[:2]": tuple(sys.version_info[:2]),
    "TYPE_CHECKING": False,
    "typing.TYPE_CHECKING": False,
    "t.TYPE_CHECKING": False,
}

COMPARISONS = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


def truth(test, is_entry):
    """True or False when the condition has that value on every run on the board, else None."""
    if isinstance(test, ast.BoolOp):
        values = [truth(value, is_entry) for value in test.values]
        decisive = isinstance(test.op, ast.Or)
        if decisive in values:
            return decisive
        return None if None in values else not decisive
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        value = truth(test.operand, is_entry)
        return None if value is None else not value
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _compare(test, is_entry)
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "startswith":
        text, prefix = _value(test.func.value, is_entry), _value(test.args[0], is_entry) if test.args else None
        return text.startswith(prefix) if isinstance(text, str) and isinstance(prefix, (str, tuple)) else None
    value = _value(test, is_entry)
    return None if value is None else bool(value)


def _compare(test, is_entry):
    left, right = _value(test.left, is_entry), _value(test.comparators[0], is_entry)
    compare = COMPARISONS.get(type(test.ops[0]))
    if left is None or right is None or compare is None:
        return None
    try:
        return bool(compare(left, right))
    except TypeError:
        return None


def _value(node, is_entry):
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        values = tuple(_value(element, is_entry) for element in node.elts)
        return None if None in values else values
    if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
        text = ast.unparse(node)
        if text == "__name__":
            return "__main__" if is_entry else "(imported)"
        return KNOWN.get(text)
    return None
