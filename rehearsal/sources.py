"""Reads what a script is made of, without running it, and prepares its code for the toy run.

Many scripts are small wrappers: they unpack a compressed program and execute it. `layers` gives the program inside as
well, as far as it follows from constants. `Transform` replaces sizes that a script writes down as constants, where no
environment variable reaches them, and marks where its main part begins. Both look at the syntax tree; the file stays
as it is.
"""

from __future__ import annotations

import ast
import base64
import dataclasses
import lzma
import operator
import re
import zlib
from pathlib import Path
from typing import Any, Callable, Iterator

from .toy import Number, Toy

MAIN_MARK = "__rehearsal_main__"
"""The name of the builtin that is called where the main part of a script begins."""

_HOLDERS = re.compile(r"(?i)^(hyper_?param\w*|config|args|hparams?|settings|gpt_?config|train\w*config|model\w*config)$")
"""Classes whose attributes are settings."""


_COUNTS = ("num_seqs", "calib_seqs", "max_samples", "num_samples", "n_samples")
"""Parameters that say how much data a function generates or looks at."""


_ASSIGNED = ("ema_decay", "buckets")
"""Variables and attributes that are replaced wherever a number is assigned to them."""


class Opaque(ValueError):
    """An expression that does not follow from constants."""


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "b85decode": base64.b85decode,
    "b64decode": base64.b64decode,
    "a85decode": base64.a85decode,
    "urlsafe_b64decode": base64.urlsafe_b64decode,
    "fromhex": bytes.fromhex,
}


def _decompress(module: str, data: bytes, keywords: dict[str, Any]) -> bytes:
    if module == "zlib":
        return zlib.decompress(data)
    if module == "brotli":
        import brotli

        return brotli.decompress(data)
    if "filters" in keywords:
        return lzma.decompress(data, format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}])
    return lzma.decompress(data)


def _value(node: ast.expr, names: dict[str, ast.expr], aliases: dict[str, str], path: Path) -> Any:
    """The value of an expression of constants and of the functions that unpack programs."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        if node.id == "__file__":
            return str(path)
        if node.id in names:
            return _value(names[node.id], names, aliases, path)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _value(node.left, names, aliases, path) + _value(node.right, names, aliases, path)
    if isinstance(node, ast.Call):
        return _call(node, names, aliases, path)
    raise Opaque(ast.dump(node)[:80])


def _call(node: ast.Call, names: dict[str, ast.expr], aliases: dict[str, str], path: Path) -> Any:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    arguments = [_value(argument, names, aliases, path) for argument in node.args]
    keywords = {keyword.arg or "": None for keyword in node.keywords}
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](*arguments)
    if name == "decompress" and isinstance(function, ast.Attribute):
        owner = getattr(function.value, "id", "")
        return _decompress(aliases.get(owner, owner), arguments[0], keywords)
    if name in ("compile", "open"):
        return _read_beside(arguments[0], path) if name == "open" else arguments[0]
    if isinstance(function, ast.Attribute) and name in ("decode", "replace", "read", "encode", "strip", "join"):
        text = _value(function.value, names, aliases, path)
        return text if name == "read" else getattr(text, name)(*arguments)
    raise Opaque(name)


def _read_beside(name: str, path: Path) -> str:
    """The text of a file in the folder of the script; no other file is opened."""
    wanted = (path.parent / name).resolve()
    if wanted.parent != path.parent.resolve() or not wanted.is_file():
        raise Opaque(name)
    return wanted.read_text(encoding="utf-8")


def parsed(source: str) -> ast.Module | None:
    """The syntax tree, or None where this Python does not know the syntax."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def readable(sources: list[str]) -> bool:
    """Whether this Python knows the syntax of all of them."""
    return all(parsed(source) is not None for source in sources)


def _aliases(tree: ast.Module) -> dict[str, str]:
    return {
        alias.asname or alias.name: alias.name
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Import)
        for alias in statement.names
    }


def layers(source: str, path: Path, depth: int = 3) -> Iterator[str]:
    """The source of a script, and of each program that it executes out of itself, as far as this Python reads them."""
    yield source
    tree = parsed(source)
    if depth == 0 or tree is None:
        return
    names = {
        statement.targets[0].id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "exec" and node.args:
            try:
                inner = _value(node.args[0], names, _aliases(tree), path)
            except (Opaque, ValueError, TypeError, lzma.LZMAError, zlib.error, ImportError):
                continue
            text = inner.decode("utf-8") if isinstance(inner, bytes) else inner
            if isinstance(text, str):
                yield from layers(text, path, depth - 1)


_READER = re.compile(r"environ(?:ment)?\b|getenv")
_PATTERN = re.compile(
    r"""(?:environ(?:\.get\(|\[|\.setdefault\()|getenv\()\s*(['"])([A-Z][A-Z0-9_]*)\1(?:\s*,\s*(['"]?)([^'",()\s*+]*)\3\s*\))?"""
)
"""A read of an environment variable with a plain default, for sources that this Python cannot parse."""


def number(text: str | None) -> Number | None:
    """The number that a text says, or None."""
    if not text:
        return None
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        return None
    return int(value) if value.is_integer() and "." not in text and "e" not in text.lower() else value


_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.LShift: operator.lshift,
}


def _default(node: ast.expr) -> Number | None:
    """The number that a default is, where it follows from constants."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return number(node.value)
        return node.value if isinstance(node.value, (int, float)) else None
    if isinstance(node, ast.Call) and len(node.args) == 1 and getattr(node.func, "id", "") in ("str", "int", "float"):
        return _default(node.args[0])
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        left, right = _default(node.left), _default(node.right)
        if left is not None and right is not None:
            try:
                return _OPERATIONS[type(node.op)](left, right)
            except (ArithmeticError, ValueError, TypeError):
                return None
    return None


def readers(tree: ast.Module) -> set[str]:
    """The names of functions that a script defines around reads of the environment, and its short names for them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.args.args and len(node.body) < 8 and _READER.search(ast.unparse(node)):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if isinstance(node.value, (ast.Attribute, ast.Lambda)) and _READER.search(ast.unparse(node.value)):
                found.add(node.targets[0].id)
    return found


def reads(readers: set[str], part: ast.AST) -> Iterator[tuple[str, Number | None]]:
    """Every read of an environment variable in a part of a script, with its default where that is a number."""
    for node in ast.walk(part):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
            if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
                yield node.slice.value, None
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        name, function = node.args[0].value, ast.unparse(node.func)
        if not isinstance(name, str) or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            continue
        if function in readers or re.search(r"(?:environ\.(?:get|setdefault|pop)|getenv)$", function):
            yield name, _default(node.args[1]) if len(node.args) > 1 else None


def variables(sources: list[str]) -> dict[str, Number | None]:
    """The environment variables that a script reads, with their defaults where these are numbers."""
    found: dict[str, Number | None] = {}
    for source in sources:
        tree = parsed(source)
        found_here = reads(readers(tree), tree) if tree else ((m[2], number(m[4])) for m in _PATTERN.finditer(source))
        for name, value in found_here:
            if found.get(name) is None:
                found[name] = value
    return found


@dataclasses.dataclass
class Transform:
    """Prepares the syntax tree of a script for the toy run."""

    toy: Toy | None = None
    changed: list[str] = dataclasses.field(default_factory=list)
    """What was replaced, as `name: old -> new (line)`."""

    def __call__(self, source: str, filename: str) -> ast.Module:
        tree = ast.parse(source, filename=filename)
        if self.toy is not None:
            self._settings(tree.body)
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef) and _HOLDERS.match(node.name):
                    self._settings(node.body)
                elif isinstance(node, ast.Call):
                    self._keywords(node)
                elif isinstance(node, ast.FunctionDef):
                    self._parameters(node)
                elif isinstance(node, ast.Compare):
                    self._threshold(node)
                elif isinstance(node, ast.Assign):
                    self._assigned(node)
        self._mark(tree)
        return ast.fix_missing_locations(tree)

    def _settings(self, body: list[ast.stmt]) -> None:
        """Assignments of plain numbers in a module or in a class of settings."""
        for statement in body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target, value = statement.targets[0], statement.value
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                target, value = statement.target, statement.value
            else:
                continue
            if isinstance(target, ast.Name):
                self._replace(target.id, value)

    def _keywords(self, call: ast.Call) -> None:
        """Numbers of sequences to generate and of tokens to take, which some scripts write into the call."""
        taken = isinstance(call.func, ast.Attribute) and call.func.attr == "take" and len(call.args) == 1
        if taken and isinstance(call.args[0], ast.Constant):
            self._replace("val_batch_tokens", call.args[0])
        for keyword in call.keywords:
            if keyword.arg in _COUNTS:
                self._replace(keyword.arg, keyword.value)

    def _threshold(self, compare: ast.Compare) -> None:
        """The number of elements up to which a tensor is not quantized, written into the comparison."""
        if ast.unparse(compare.left).endswith(".numel()") and len(compare.comparators) == 1:
            self._replace("int8_keep_float_max_numel", compare.comparators[0])

    def _assigned(self, assign: ast.Assign) -> None:
        """How slowly an average of the weights forgets and how large a cache's tables are, which some scripts write into a function."""
        target = assign.targets[0]
        name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")
        if len(assign.targets) == 1 and name.lower() in _ASSIGNED:
            self._replace(name, assign.value)

    def _parameters(self, function: ast.FunctionDef) -> None:
        """Defaults of parameters that say how much data a function takes."""
        positional = [*function.args.posonlyargs, *function.args.args]
        # Defaults belong to the last parameters.
        pairs = list(zip(positional[::-1], function.args.defaults[::-1]))
        pairs += [(a, d) for a, d in zip(function.args.kwonlyargs, function.args.kw_defaults) if d is not None]
        for parameter, default in pairs:
            if parameter.arg in _COUNTS:
                self._replace(parameter.arg, default)

    def _replace(self, name: str, node: ast.expr) -> None:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, (int, float)):
            return
        assert self.toy is not None
        value = self.toy.smaller(name, node.value)
        if value is not None:
            self.changed.append(f"{name}: {node.value} -> {value} (line {node.lineno})")
            node.value = value

    @staticmethod
    def _mark(tree: ast.Module) -> None:
        """Calls the mark first thing under `if __name__ == "__main__":`."""
        for statement in tree.body:
            if isinstance(statement, ast.If) and ast.unparse(statement.test) in (
                "__name__ == '__main__'",
                "'__main__' == __name__",
            ):
                mark = ast.Expr(ast.Call(ast.Name(MAIN_MARK, ast.Load()), [], []))
                statement.body.insert(0, ast.copy_location(mark, statement))
