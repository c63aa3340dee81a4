"""Find in an automation's source what cannot be replayed, before the automation is registered.

It reads the text and runs nothing. It errs on the side of the author where a line cannot be decided; the private event loop and
the journal's digests then find at run time what it let pass.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from interlock.domain.errors import AutomationRejected
from interlock.sdk.bindings import FUNCTIONS, Declared, Scope, Sight, declared_in, is_step, scope
from interlock.sdk.replayable import BUILTINS, LOCAL_TIME, METHODS, instead_of, may_refuse, plain_name, whole_module

_ORDERED = frozenset(
    {"sorted", "len", "min", "max", "any", "all", "sum", "set", "frozenset", "bool", "isinstance", "type"}
)
_UNORDERED = frozenset({"list", "tuple", "enumerate", "iter", "zip", "map", "filter", "dict", "next", "str", "repr"})
_MODE = re.compile(r"[rwxa][bt+]{0,2}")
_FINDINGS_MAX = 100


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """Something that a replay could not repeat: where (line and column from 1), what it is, what to use instead."""

    file: str
    line: int
    column: int
    what: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.what} cannot be replayed. Use {self.instead}."


def check_all(sources: Mapping[str, str]) -> list[Finding]:
    """Give what cannot be replayed in the files of one automation (name for messages → text), file by file."""
    declared = declared_in(tree for tree in map(_parsed, sources.values()) if tree is not None)
    return [found for name, text in sources.items() for found in check(text, name, declared)]


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def check(source: str, filename: str, declared: Declared | None = None) -> list[Finding]:
    """Give what cannot be replayed in one file of an automation, in the order of its lines.

    Args:
        source: the file's text. Steps, and modules that only steps import, may do anything: do not pass them.
        filename: as it should stand in messages.
        declared: what the automation's files declare to be sets; by default, what this one does.
    """
    try:
        tree = ast.parse(source, filename)
    except (SyntaxError, ValueError) as error:
        line, column = getattr(error, "lineno", 1) or 1, getattr(error, "offset", 1) or 1
        what = f"This is not Python ({getattr(error, 'msg', error)}), so that it"
        return [Finding(file=filename, line=line, column=max(1, column), what=what, instead="valid Python")]
    visitor = _Visitor(filename, tree, declared_in([tree]) if declared is None else declared)
    visitor.visit(tree)
    visitor.unused_imports()
    return sorted(visitor.findings)


def siblings(source: str, package: str | None = None, below: str = "") -> frozenset[str]:
    """Give the modules of its own automation that a file imports, as paths without their ending, so that a caller can follow them.

    What is imported may be a name in a module as well as a module: paths of both are given. Empty where the file is not Python.

    Args:
        package: the automation's folder as a package, such as `automations.expenses`, so that its absolute imports count.
        below: where in that folder the file stands.
    """
    here = below.split("/") if below else []
    found: set[str] = set()
    for node in ast.walk(_parsed(source) or ast.Module([], [])):
        if isinstance(node, ast.Import):
            found.update("/".join(path) for a in node.names if (path := _inside(a.name, 0, package, here)))
        elif isinstance(node, ast.ImportFrom):
            path = _inside(node.module or "", node.level, package, here)
            if path is not None:
                found.update("/".join(path[: n + 1]) for n in range(len(path)))
                found.update("/".join([*path, alias.name]) for alias in node.names)
    return frozenset(found)


def _inside(module: str, level: int, package: str | None, here: list[str]) -> list[str] | None:
    """Give what an import names below the automation's folder, part by part; None where that is elsewhere."""
    parts = module.split(".") if module else []
    if level:
        return [*here[: len(here) - level + 1], *parts] if level <= len(here) + 1 else None
    own = package.split(".") if package else None
    return parts[len(own) :] if own and parts[: len(own)] == own else None


def reject(findings: Sequence[Finding]) -> None:
    """Raise AutomationRejected that lists every finding with its fix; do nothing where there are none."""
    if not findings:
        return
    shown = "\n".join(str(finding) for finding in findings[:_FINDINGS_MAX])
    more = f"\n… and {len(findings) - _FINDINGS_MAX} more." if len(findings) > _FINDINGS_MAX else ""
    places = [
        {"file": f.file, "line": f.line, "column": f.column, "what": f.what, "instead": f.instead} for f in findings
    ]
    raise AutomationRejected(
        f"An automation runs again from the top after each wait, and must do the same each time:\n{shown}{more}\n",
        fix="Change these lines; docs/how-to/write-an-automation.md shows how.",
        extra={"findings": places[:_FINDINGS_MAX]},
    )


class _Visitor(ast.NodeVisitor):
    def __init__(self, file: str, tree: ast.Module, declared: Declared) -> None:
        self.file = file
        self.findings: set[Finding] = set()
        self._imported: dict[str, str] = {}
        self._banned_imports: dict[str, tuple[ast.AST, str]] = {}
        self._steps = {f.name for f in tree.body if isinstance(f, FUNCTIONS[:2]) and f.name in declared.steps}
        self._declared = declared
        self._scopes: list[Scope] = [scope(tree, [], declared)]
        self._resolving: set[str] = set()
        self._used: set[str] = set()

    @property
    def _sight(self) -> Sight:
        return Sight(scopes=self._scopes, declared=self._declared)

    def _is_set(self, node: ast.AST) -> bool:
        return self._sight.is_set(node)

    def _add(self, node: ast.AST, what: str, instead: str) -> None:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        self.findings.add(Finding(file=self.file, line=line, column=column, what=what, instead=instead))

    # Imports: what a name stands for.

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            local = alias.asname or alias.name.partition(".")[0]
            origin = alias.name if alias.asname else local
            self._imported[local] = origin
            self._note_import(node, local, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        own = node.level > 0 or module.startswith("automations.")
        steps = own and "steps" in module.split(".")
        for alias in node.names:
            local = alias.asname or alias.name
            if alias.name == "*":
                self._add(node, f"`from {'.' * node.level}{module} import *`, which hides what is used,", "names")
            elif own and alias.name in self._declared.steps:
                self._steps.add(local)
            elif steps:
                if not alias.name[:1].isupper():  # a class is a value or an error that steps share
                    self._steps.add(local)
            elif node.level > 0 and not module and alias.name == "steps":
                self._steps.add(f"{local}.")
            elif node.level == 0:
                self._imported[local] = f"{module}.{alias.name}"
                self._note_import(node, local, f"{module}.{alias.name}")

    def _note_import(self, node: ast.AST, local: str, origin: str) -> None:
        if (instead := instead_of(origin)) or (instead := whole_module(origin)):
            self._banned_imports.setdefault(local, (node, f"`{origin}`\0{instead}"))

    def unused_imports(self) -> None:
        """A module that is imported and used in no way that was found is refused at its import."""
        for local, (node, text) in self._banned_imports.items():
            origin = text.partition("\0")[0].strip("`")
            if local not in self._used and origin not in ("os", "http"):
                self._add(node, text.partition("\0")[0], text.partition("\0")[2])

    def visit_If(self, node: ast.If) -> None:
        if self._dotted(node.test) != "typing.TYPE_CHECKING":
            self.visit(node.test)
            self._each(node.body)
        self._each(node.orelse)

    # Names and attributes, wherever they are read: `default_factory=uuid4` is a use as well as `uuid4()`.

    def _dotted(self, node: ast.AST) -> str | None:
        """Give what an expression names of an imported module, through other names for it; None where it is no such thing."""
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.Attribute):
            base, attribute = self._dotted(node.value), node.attr
        elif isinstance(node, ast.Call) and self._is_builtin(node.func, ("getattr",)) and len(node.args) > 1:
            base, second = self._dotted(node.args[0]), node.args[1]
            attribute = second.value if isinstance(second, ast.Constant) and isinstance(second.value, str) else "?"
        elif isinstance(node, ast.NamedExpr):
            return self._dotted(node.value)
        else:
            return None
        return None if base is None else plain_name(f"{base}.{attribute}")

    def _named(self, name: str) -> str | None:
        where = self._sight.where(name)
        if where is not None and name not in self._resolving:
            self._resolving.add(name)
            try:
                found = next(filter(None, map(self._dotted, where.values[name])), None)
            finally:
                self._resolving.discard(name)
            if found is not None or where is not self._scopes[0]:
                return found
        return plain_name(self._imported[name]) if name in self._imported else None

    def _root(self, node: ast.AST) -> str | None:
        while not isinstance(node, ast.Name):
            if isinstance(node, ast.Attribute):
                node = node.value
            elif isinstance(node, ast.Call) and node.args:
                node = node.args[0]
            else:
                return None
        return node.id

    def _is_builtin(self, node: ast.AST, names: Iterable[str]) -> str | None:
        if not (isinstance(node, ast.Name) and node.id in names and hasattr(builtins, node.id)):
            return None
        return None if self._sight.where(node.id) or node.id in self._imported else node.id

    def _use(self, node: ast.Name | ast.Attribute) -> bool:
        """Judge a name that is read; gives whether it was refused."""
        dotted = self._dotted(node)
        if dotted is not None and (instead := instead_of(dotted)) is not None:
            self._used.add(self._root(node) or "")
            self._add(node, f"`{dotted}`", instead)
            return True
        if (name := self._is_builtin(node, BUILTINS)) is not None:
            self._add(node, f"`{name}`", BUILTINS[name])
            return True
        return False

    def visit_Name(self, node: ast.Name) -> None:
        if node.id == "__builtins__":
            self._add(node, "`__builtins__`", "the name itself")
        elif isinstance(node.ctx, ast.Load):
            self._use(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not self._use(node):
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        dotted = self._dotted(node.func)
        self._check_getattr(node)
        self._check_local_time(node, dotted)
        if dotted == "asyncio.sleep" and _is_zero(node):
            self._used.add(self._root(node.func) or "")
            instead = "nothing: other branches run whenever this one waits for an effect"
            self._add(
                node.func, "`asyncio.sleep(0)` is not needed, and a switch of branches that no effect caused", instead
            )
        else:
            self.visit(node.func)
        if isinstance(node.func, ast.Attribute) and dotted is None and node.func.attr in METHODS:
            self._add(node.func, f"`.{node.func.attr}()`", METHODS[node.func.attr])
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "open" and dotted is None and _opens_file(node):
            self._add(node.func, "`.open()` of a file", METHODS["read_text"])
        self._check_step(node)
        if dotted == "contextlib.suppress" and any(self._catches_all(a) for a in node.args):
            self._add(
                node, "`suppress(BaseException)` swallows the suspension of a task that waits, which", "`Exception`"
            )
        self._check_set_arguments(node, dotted)
        ordered = self._is_builtin(node.func, _ORDERED) is not None
        for argument in [*node.args, *(k.value for k in node.keywords)]:
            if ordered and isinstance(argument, ast.GeneratorExp) and not _awaits([argument]):
                self._visit_comprehension(argument, ordered=True)
            else:
                self.visit(argument)

    def _check_getattr(self, node: ast.Call) -> None:
        dotted = self._dotted(node) if self._is_builtin(node.func, ("getattr",)) else None
        if dotted is None:
            return
        self._used.add(self._root(node) or "")
        if (instead := instead_of(dotted)) is not None:
            self._add(node, f"`{dotted}`", instead)
        elif dotted.endswith(".?") and may_refuse(dotted[:-2]):
            self._add(node, f"`getattr` of `{dotted[:-2]}`, which hides what is used,", "the attribute, by its name,")

    def _check_local_time(self, node: ast.Call, dotted: str | None) -> None:
        name = dotted.rpartition(".")[2] if dotted else node.func.attr if isinstance(node.func, ast.Attribute) else ""
        takes = LOCAL_TIME.get(name)
        if takes is None or (dotted and not dotted.startswith("datetime.")) or (dotted is None) != (takes == 0):
            return
        if len(node.args) <= takes and not node.keywords:
            self._add(
                node.func, f"`.{name}()` without a time zone, which is this machine's,", "it with `UTC` or a `ZoneInfo`"
            )

    def _check_step(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if isinstance(node.func, ast.Attribute) and f"{self._root(node.func)}." in self._steps:
            name = None if node.func.attr[:1].isupper() else node.func.attr
        elif name not in self._steps:
            name = None
        if name is not None:
            comma = ", …" if node.args or node.keywords else ""
            self._add(
                node, f"Calling the step `{name}` itself is not recorded, and", f"`await task.step({name}{comma})`"
            )

    # Sets have no order that a second run repeats.

    def _refuse_set(self, node: ast.AST) -> None:
        self._add(node, "The order of a set", "`sorted(…)`, a list or a dict, whose order is the same each time")

    def _check_set_arguments(self, node: ast.Call, dotted: str | None) -> None:
        joins = isinstance(node.func, ast.Attribute) and node.func.attr in ("join", "extend", "fromkeys")
        if joins or self._is_builtin(node.func, _UNORDERED) or (dotted or "").startswith("itertools."):
            for argument in node.args:
                if self._is_set(argument):
                    self._refuse_set(argument)
        pops = isinstance(node.func, ast.Attribute) and node.func.attr == "pop" and not node.args
        if pops and isinstance(node.func, ast.Attribute) and self._is_set(node.func.value):
            self._refuse_set(node.func.value)

    def visit_Starred(self, node: ast.Starred) -> None:
        if isinstance(node.ctx, ast.Load) and self._is_set(node.value):
            self._refuse_set(node.value)
        self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(t, ast.Tuple | ast.List) for t in node.targets) and self._is_set(node.value):
            self._refuse_set(node.value)
        self.generic_visit(node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        if self._is_set(node.value):
            self._refuse_set(node.value)
        self.generic_visit(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        if self._is_set(node.value):
            self._refuse_set(node.value)
        self.generic_visit(node)

    def _visit_loop(self, node: ast.For | ast.AsyncFor) -> None:
        if self._is_set(node.iter):
            self._refuse_set(node.iter)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._visit_loop(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._visit_loop(node)

    def _visit_comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, *, ordered: bool = False
    ) -> None:
        harmless = (ordered or isinstance(node, ast.SetComp)) and not _awaits([node])
        for part in node.generators:
            if self._is_set(part.iter) and not harmless:
                self._refuse_set(part.iter)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._visit_comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._visit_comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._visit_comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._visit_comprehension(node)

    # What a suspension passes through, and what outlives a run.

    def visit_Global(self, node: ast.Global) -> None:
        names = ", ".join(node.names)
        self._add(
            node, f"`global {names}`: a value that outlives the run", "a local variable, or what an effect returned"
        )

    def _catches_all(self, node: ast.AST | None) -> bool:
        if node is None:
            return True
        if isinstance(node, ast.Tuple):
            return any(self._catches_all(item) for item in node.elts)
        if isinstance(node, ast.Name) and (where := self._sight.where(node.id)) is not None:
            return any(value is not node and self._catches_all(value) for value in where.values[node.id])
        return self._is_builtin(node, ("BaseException", "GeneratorExit")) is not None

    def _visit_try(self, node: ast.Try | ast.TryStar) -> None:
        if _awaits(node.body):
            for handler in node.handlers:
                raises = any(isinstance(n, ast.Raise) for n in _walk(handler.body))
                if self._catches_all(handler.type) and not raises:
                    shown = "A bare `except:`" if handler.type is None else "`except BaseException`"
                    what = f"{shown} around an `await` swallows the suspension of a task that waits, which"
                    self._add(handler, what, "`except Exception`, or end it with `raise`")
            for left in _leaves(node.finalbody):
                what = "Leaving a `finally` around an `await` swallows the suspension of a task that waits, which"
                self._add(left, what, "the same after the `try` statement")
        self.generic_visit(node)

    def visit_Try(self, node: ast.Try) -> None:
        self._visit_try(node)

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self._visit_try(node)

    # Annotations name types and run nothing.

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._each([*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)])
        if is_step(node):
            # It runs in a process of its own, and may do anything there.
            self._used.update(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
            return
        self._scopes.append(scope(node, self._scopes, self._declared))
        self._each(node.body)
        self._scopes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def _each(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


def _is_zero(node: ast.Call) -> bool:
    return bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0


def _opens_file(node: ast.Call) -> bool:
    """Tell whether the arguments of an `open` are those of a file: a mode, an encoding."""
    first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    named = any(k.arg in ("mode", "encoding", "errors", "newline", "buffering") for k in node.keywords)
    return named or (isinstance(first, str) and _MODE.fullmatch(first) is not None)


def _walk(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Give the nodes below, but not what stands in functions that are only defined there."""
    for node in nodes:
        yield node
        if not isinstance(node, FUNCTIONS):
            yield from _walk(ast.iter_child_nodes(node))


def _awaits(nodes: Iterable[ast.AST]) -> bool:
    waits = (ast.Await, ast.AsyncFor, ast.AsyncWith)
    return any(isinstance(n, waits) or (isinstance(n, ast.comprehension) and n.is_async) for n in _walk(nodes))


def _leaves(nodes: Iterable[ast.AST], in_loop: bool = False) -> Iterator[ast.AST]:
    """Give the statements that leave a `finally` block by themselves; `break` of a loop inside it does not."""
    for node in nodes:
        if isinstance(node, ast.Return) or (isinstance(node, ast.Break | ast.Continue) and not in_loop):
            yield node
        elif not isinstance(node, FUNCTIONS):
            inside = in_loop or isinstance(node, ast.For | ast.AsyncFor | ast.While)
            yield from _leaves(ast.iter_child_nodes(node), inside)
