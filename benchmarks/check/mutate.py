"""
Recall by mutation: take the closing out of real clean code, and see whether the checker notices.

    python benchmarks/check/mutate.py TREE...

Four mutants, one at a time:

    M1  `async with C() as s:` becomes `s = C()`
    M2  every close of an attribute that its class opens is deleted
    M3  every close of a local variable that its function opens is deleted
    M4  `await` is dropped from one such close

A mutant counts as found if the run has a finding at high confidence that the unchanged tree has not. Mutants
of tests and examples are left out: findings there are medium by design.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lastcall.check.cache import FactsCache
from lastcall.check.config import CheckConfig
from lastcall.check.facts.extract import extract, parse
from lastcall.check.files import find_files
from lastcall.check.matchers import match
from lastcall.check.ownership.analysis import analyse
from lastcall.check.ownership.known import load_known
from lastcall.check.ownership.program import Program, SourceFile
from lastcall.check.project import analyse_project
from lastcall.check.scan import Scan


class Mutant(NamedTuple):
    """One change of one file."""

    kind: str
    line: int
    text: str


Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_session(node: ast.AST, text: str) -> bool:
    """Tell whether an expression is a call of aiohttp's ClientSession: others have one of that name."""
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func)
    return called == "aiohttp.ClientSession" or (called == "ClientSession" and "from aiohttp import" in text)


def mutants(text: str, tree: ast.Module) -> Iterator[Mutant]:
    """Yield every mutant of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncWith):
            yield from without_with(text, node)
        elif isinstance(node, ast.ClassDef):
            yield from without_close(text, node, "M2")
        elif isinstance(node, Function):
            yield from without_close(text, node, "M3")


def without_with(text: str, node: ast.AsyncWith) -> Iterator[Mutant]:
    """Yield M1 of a block that enters one new session under a name."""
    item = node.items[0]
    named = isinstance(item.optional_vars, ast.Name)
    if len(node.items) != 1 or not named or not is_session(item.context_expr, text):
        return
    lines = text.split("\n")
    first = lines[node.lineno - 1]
    indent = first[: len(first) - len(first.lstrip())]
    call = ast.unparse(item.context_expr)
    body = node.body[0].lineno - 1
    if body == node.lineno - 1:
        return
    head = [f"{indent}{ast.unparse(item.optional_vars)} = {call}", f"{indent}if True:"]  # type: ignore[arg-type]
    yield Mutant("M1", node.lineno, "\n".join([*lines[: node.lineno - 1], *head, *lines[body:]]))


def without_close(text: str, owner: ast.ClassDef | Function, kind: str) -> Iterator[Mutant]:
    """Yield M2 or M3, and M4, for each name that *owner* gives a new session."""
    for name in sorted(opened_names(text, owner, kind)):
        closing = [node for node in ast.walk(owner) if isinstance(node, ast.Expr) and closes(node, name)]
        if closing:
            lines = text.split("\n")
            for node in closing:
                indent = " " * node.col_offset
                lines[node.lineno - 1] = f"{indent}pass"
                lines[node.lineno : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno)
            yield Mutant(kind, closing[0].lineno, "\n".join(lines))
        for node in closing:
            awaited = isinstance(node.value, ast.Await) and node.value.value
            if isinstance(awaited, ast.Call) and ast.unparse(awaited.func) == f"{name}.close":
                lines = text.split("\n")
                line = lines[node.lineno - 1]
                lines[node.lineno - 1] = line.replace("await ", "", 1)
                yield Mutant("M4", node.lineno, "\n".join(lines))
                break


def opened_names(text: str, owner: ast.ClassDef | Function, kind: str) -> set[str]:
    """Return the attributes or variables that are given a new session: `self.x` or `x`."""
    found = set()
    for node in ast.walk(owner):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        if any(is_session(child, text) for child in ast.walk(node.value)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                name = ast.unparse(target)
                if (kind == "M2") == name.startswith("self.") and name.removeprefix("self.").isidentifier():
                    found.add(name)
    return found


def closes(node: ast.Expr, name: str) -> bool:
    """Tell whether a statement closes *name*."""
    return any(
        isinstance(child, ast.Attribute) and child.attr == "close" and ast.unparse(child.value) == name
        for child in ast.walk(node)
    )


class Tree:
    """A tree whose files can be replaced, one at a time."""

    def __init__(self, path: Path) -> None:
        self.config = CheckConfig()
        self.known = load_known(self.config)
        found = find_files([path], self.config)
        self.paths = {file.shown: file for file in found.files}
        self.scan = Scan(found.files, FactsCache(None, ""), 1)
        analysis = analyse_project(self.scan, self.config, self.known)
        self.files = analysis.program.files
        self.before = self.findings(self.files)

    def findings(self, files: list[SourceFile]) -> Counter[tuple[str, str, str]]:
        """Return the findings at high confidence: rule, path, function and how many."""
        program = Program(files)
        analysis = analyse(program, self.known)
        return Counter(
            (draft.code, files[draft.file].path, program.func((draft.file, draft.func)).symbol)
            for draft in match(analysis)
            if draft.confidence == "high" and draft.code < "LC050"
        )

    def noticed(self, number: int, mutant: Mutant) -> bool:
        """Tell whether the tree with one file changed has a finding more, in that file."""
        file = self.files[number]
        where = self.paths[file.path]
        facts = extract(mutant.text.encode(), where.module, is_package=where.is_package)
        changed = [*self.files]
        changed[number] = SourceFile(file.path, file.module, facts, file.is_test)
        more = self.findings(changed) - self.before
        wanted = {"LC005"} if mutant.kind == "M4" else None
        return any(wanted is None or code in wanted for code, _, _ in more)


def main() -> None:
    """Print the share of mutants found, by kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trees", nargs="+", type=Path)
    parser.add_argument("--missed", action="store_true", help="list the mutants that were not found")
    options = parser.parse_args()
    made: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for path in options.trees:
        tree = Tree(path)
        for number, file in enumerate(tree.files):
            if file.is_test:
                continue
            module, text = parse(Path(tree.paths[file.path].path).read_bytes())
            for mutant in mutants(text, module):
                made[mutant.kind] += 1
                if tree.noticed(number, mutant):
                    found[mutant.kind] += 1
                elif options.missed:
                    print(f"missed {mutant.kind} {file.path}:{mutant.line}", file=sys.stderr)
    for kind in sorted(made):
        print(f"{kind}  {found[kind]:4} of {made[kind]:4}  {found[kind] / made[kind]:.0%}")
    hits, total = sum(found.values()), sum(made.values())
    print(f"all {hits:4} of {total:4}  {hits / max(total, 1):.0%}")


if __name__ == "__main__":
    main()
