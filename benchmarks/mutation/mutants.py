"""Which changes can be made to a file, by the operators of Cosmic Ray."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

# Cosmic Ray replaces each operator by all others. Of these, only the ones that a programmer could
# confuse are used: the others mostly fail in any test, and would make the score too good.
BINARY: Final = """
    Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Div FloorDiv_Mul Mod_FloorDiv Pow_Mul
    LShift_RShift RShift_LShift BitAnd_BitOr BitOr_BitAnd BitXor_BitAnd
"""
COMPARISONS: Final = """
    Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt
    Eq_NotEq NotEq_Eq Is_IsNot IsNot_Is
"""
OPERATORS: Final = (
    "NumberReplacer",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "AddNot",
    *(f"ReplaceUnaryOperator_Delete_{name}" for name in ("Not", "USub", "Invert")),
    *(f"ReplaceBinaryOperator_{names}" for names in BINARY.split()),
    *(f"ReplaceComparisonOperator_{names}" for names in COMPARISONS.split()),
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ZeroIterationForLoop",
    "ExceptionReplacer",
    "RemoveDecorator",
)
# Without them, the code does the same: more slowly, or with less for a type checker to find.
DECORATORS_WITHOUT_BEHAVIOUR: Final = frozenset(
    {"abstractmethod", "cache", "lru_cache", "final", "overload"}
)

Key = tuple[str, str, str, int]
Position = tuple[int, int]
"""Line, from 1, and column, from 0 and in characters."""


@dataclass(frozen=True)
class Mutant:
    """One change to one file."""

    path: str
    operator: str
    occurrence: int
    """How often the operator can be applied to the file before this place."""
    line: int
    rank: str
    """Decides about the sample. It stays the same while other lines of the file change."""


@dataclass(frozen=True)
class Diff:
    """The lines that a mutant changes, and what becomes of them, without indentation."""

    before: str
    after: str


@dataclass(frozen=True)
class Source:
    """The text of a file that can be mutated."""

    path: str
    text: str

    @cached_property
    def digest(self) -> str:
        """Changes with the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without their ends."""
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        """The statements, with their positions."""
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def imports(self) -> frozenset[str]:
        """The last words of the modules it imports from, and the names it imports."""
        return frozenset(
            name
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom)
            for name in ((node.module or "").split(".")[-1], *(alias.name for alias in node.names))
        )

    def mutants(self, seed: int) -> Iterator[Mutant]:
        """Every change that could be noticed by a test."""
        nodes = [*ast_nodes(parso.parse(self.text))]
        skipped = [*self._without_behaviour()]
        alike: Counter[tuple[str, ...]] = Counter()
        for operator in OPERATORS:
            positions = (
                position
                for node in nodes
                for position in get_operator(f"core/{operator}")().mutation_positions(node)
            )
            for occurrence, (start, end) in enumerate(positions):
                text = self.lines[start[0] - 1].strip()
                place = (str(seed), self.path, operator, text)
                alike[place] += 1
                if self._removes_nothing(operator, text) or self._is_no_operator(operator, start):
                    continue
                if not any(first <= start and end <= last for first, last in skipped):
                    name = "\n".join([*place, str(alike[place])])
                    rank = hashlib.sha256(name.encode()).hexdigest()
                    yield Mutant(self.path, operator, occurrence, start[0], rank)

    def key(self, mutant: Mutant) -> Key:
        """Names a mutant for as long as the text is the same."""
        return self.path, self.digest, mutant.operator, mutant.occurrence

    def mutated(self, mutant: Mutant) -> str:
        """The text with the change."""
        operator = get_operator(f"core/{mutant.operator}")()
        text = mutate_code(self.text, operator, mutant.occurrence)
        assert isinstance(text, str), mutant
        return text

    def diff(self, mutant: Mutant) -> Diff:
        """What the change is."""
        after = self.mutated(mutant).splitlines()
        first = next((n for n, (a, b) in enumerate(zip(self.lines, after, strict=False)) if a != b))
        removed_count = len(self.lines) - len(after)
        changed_count = 1 + max(0, removed_count)
        while self.lines[first + changed_count :] != after[first + changed_count - removed_count :]:
            changed_count += 1
        return Diff(
            _on_one_line(self.lines[first : first + changed_count]),
            _on_one_line(after[first : first + changed_count - removed_count]),
        )

    def statement(self, line: int) -> range:
        """The lines of the innermost statement that a line is in, without its body."""
        innermost = range(line, line + 1)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.stmt):
                body = getattr(node, "body", None)
                end = body[0].lineno if body else (node.end_lineno or node.lineno) + 1
                if line in range(node.lineno, end):
                    innermost = range(node.lineno, end)
        return innermost

    def _removes_nothing(self, operator: str, text: str) -> bool:
        name = text.removeprefix("@").split("(")[0].split(".")[-1]
        return operator == "RemoveDecorator" and name in DECORATORS_WITHOUT_BEHAVIOUR

    def _is_no_operator(self, operator: str, start: Position) -> bool:
        """Whether this is the star among parameters: Cosmic Ray takes it for a product."""
        return operator.startswith("ReplaceBinaryOperator") and not any(
            first <= start < last for first, last in self._operations
        )

    @cached_property
    def _operations(self) -> list[tuple[Position, Position]]:
        return [
            self._span(node)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.BinOp | ast.AugAssign)
        ]

    def _without_behaviour(self) -> Iterator[tuple[Position, Position]]:
        """Annotations, code for type checkers, options of dataclasses, checks of `zip`."""
        for node in ast.walk(self.tree):
            match node:
                case ast.If(test=ast.Name(id="TYPE_CHECKING") as test, body=body):
                    yield from map(self._span, [test, *body])
                case ast.arg(annotation=ast.expr() as annotation):
                    yield self._span(annotation)
                case ast.AnnAssign(annotation=annotation):
                    yield self._span(annotation)
                case ast.FunctionDef(returns=ast.expr() as returns):
                    yield self._span(returns)
                case ast.AsyncFunctionDef(returns=ast.expr() as returns):
                    yield self._span(returns)
                case ast.Call(func=ast.Name(id="dataclass"), keywords=options):
                    yield from (self._span(option.value) for option in options)
                case ast.Call(
                    func=ast.Name(id="zip"), keywords=[ast.keyword(value=ast.Constant(value=True))]
                ):
                    yield self._span(node.keywords[0].value)

    def _span(self, node: ast.expr | ast.stmt) -> tuple[Position, Position]:
        first, *_ = [*getattr(node, "decorator_list", []), node]
        start = self._position(first.lineno, 0 if first is not node else node.col_offset)
        return start, self._position(node.end_lineno or 0, node.end_col_offset or 0)

    def _position(self, line: int, byte: int) -> Position:
        """`ast` counts bytes, Cosmic Ray counts characters."""
        return line, len(self.lines[line - 1].encode()[:byte].decode())


def _on_one_line(lines: Iterable[str]) -> str:
    return " ".join(line.strip() for line in lines).strip()


def sample(mutants: Iterable[Mutant], size: int) -> list[Mutant]:
    """As many as `size`, in random order, so that the first of them are a sample as well.

    A change to the code replaces few of them, so that results of earlier runs stay of use.
    """
    return sorted(mutants, key=lambda mutant: mutant.rank)[:size]
