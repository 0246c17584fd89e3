"""Source files as the target's Python parses them."""

import ast
import sys
import warnings


class Sources:
    """Parses each file once; what Python rejects is added to `errors`."""

    def __init__(self, errors):
        self.errors = errors
        self._trees = {}

    def parse(self, file, library, quiet):
        """The file's syntax tree and a function from a node to its column (from 1), or None after reporting why not."""
        if file not in self._trees:
            self._trees[file] = self._parse(file, library)
        result = self._trees[file]
        if not isinstance(result, tuple) or len(result) == 2:
            return result
        if not quiet and result not in self.errors:
            self.errors.append(result)
        return None

    def _parse(self, file, library):
        try:
            with open(file, "rb") as stream:
                source = stream.read()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(source, file)
                if not library:  # what the parser alone does not see; takes as long again
                    compile(source, file, "exec", dont_inherit=True)
        except SyntaxError as error:
            text = f"Python {sys.version_info[0]}.{sys.version_info[1]} rejects this: {error.msg}"
            if error.text and error.text.strip():
                line = error.text.strip()
                text += f": {line if len(line) <= 80 else line[:76] + '…'}"
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

def _syntax_hint(error):
    if "Missing parentheses in call to 'print'" in (error.msg or ""):
        return "this is Python 2; `2to3 -w FILE` converts it"
    if "codec can't decode" in (error.msg or "") or "Non-UTF-8" in (error.msg or ""):
        return "save the file as UTF-8, or declare its encoding in the first line (PEP 263)"
    return None
