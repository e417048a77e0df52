"""JMESPath expressions that people write, run on bodies that anybody sends: bounded in all ways.

The bounds count steps, not seconds: the same body and the same expression always give the same
result, however busy the machine is. A key that changed under load would page twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from jmespath import exceptions, functions
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

LONGEST = 500
MOST_NODES, DEEPEST = 100, 30
# How often an expression can hold its input anew: [@, @] | [@, @] grows without end.
MOST_COPIES = 64
MOST_STEPS = 20_000
MOST_TEXT = 100_000


class WrongExpression(ValueError):
    """Its text is one sentence for whoever wrote the expression."""


class FoundNothing(ValueError):
    """An expression failed on this body; its text is one clause that says why."""


@dataclass(frozen=True)
class Expression:
    """An expression that is in order; `find` runs it."""

    text: str
    tree: Any

    def find(self, value: Any) -> Any:
        """What the expression finds in a decoded JSON value, None for nothing.

        Raises FoundNothing where it cannot work on this value or takes too many steps.
        """
        try:
            return _Bounded().visit(self.tree, value)
        except exceptions.JMESPathTypeError as error:
            # Its own text would hold the whole value.
            raise FoundNothing(f"{error.function_name}() cannot take {error.actual_type}") from None
        except RecursionError:
            raise FoundNothing("the message is nested too deeply") from None
        except FoundNothing:
            raise
        except (ValueError, TypeError, ArithmeticError) as error:
            raise FoundNothing(f"it does not fit the message ({type(error).__name__})") from None


def compiled(text: str) -> Expression:
    """The expression, checked; raises WrongExpression with one sentence."""
    text = text.strip()
    if len(text) > LONGEST:
        raise WrongExpression(f"An expression has at most {LONGEST} characters.")
    try:
        tree = Parser().parse(text).parsed
    except exceptions.JMESPathError as error:
        raise WrongExpression(_sentence(error, text)) from None
    except RecursionError:
        raise WrongExpression("The expression is nested too deeply.") from None
    except (ValueError, KeyError, IndexError):
        raise WrongExpression("This is no JMESPath expression.") from None
    _measure(tree)
    return Expression(text, tree)


def _sentence(error: exceptions.JMESPathError, text: str) -> str:
    if isinstance(error, exceptions.EmptyExpressionError):
        return "The expression is empty."
    if isinstance(error, exceptions.IncompleteExpressionError):
        return "The expression ends too early."
    if isinstance(error, exceptions.ParseError):
        place = min(max(error.lex_position, 0), len(text))
        return f"It goes wrong at character {place + 1}: {text[place : place + 20] or 'the end'!r}."
    return "This is no JMESPath expression."


def _measure(tree: Any) -> None:
    """Refuse what could grow or go too deep, and functions that do not exist."""
    nodes, copies = 0, 1
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        inside = [child for child in node.get("children", []) if isinstance(child, dict)]
        if nodes > MOST_NODES or depth > DEEPEST:
            raise WrongExpression("The expression is too long: name fewer things in it.")
        if node["type"].startswith("multi_select"):
            copies *= len(inside)
        if node["type"] == "function_expression":
            _check_call(node["value"], len(inside))
        if copies > MOST_COPIES:
            raise WrongExpression("The expression makes too many copies of the message.")
        waiting += [(child, depth + 1) for child in inside]


def _check_call(name: str, arguments: int) -> None:
    known = _Functions.FUNCTION_TABLE.get(name)
    if known is None:
        raise WrongExpression(f"There is no function {name}().")
    signature = known["signature"]
    is_variadic = bool(signature and signature[-1].get("variadic"))
    if arguments < len(signature) or (arguments > len(signature) and not is_variadic):
        raise WrongExpression(f"{name}() takes {len(signature)} values, not {arguments}.")


class _Functions(functions.Functions):
    """The standard ones and two of ours; what can make long texts of short ones stops in time."""

    @functions.signature({"types": []})
    def _func_to_string(self, arg: Any) -> str:
        return arg if isinstance(arg, str) else short_json(arg)

    @functions.signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, array: list[str]) -> str:
        length = len(separator) * len(array) + sum(len(text) for text in array)
        if length > MOST_TEXT:
            raise FoundNothing("join() makes too long a text")
        return separator.join(array)

    @functions.signature({"types": ["string"]}, {"types": ["string"]})
    def _func_split(self, text: str, separator: str) -> list[str]:
        return text.split(separator) if separator else [text]

    @functions.signature({"types": ["string"]})
    def _func_lower(self, text: str) -> str:
        return text.lower()


def short_json(value: Any) -> str:
    """Compact JSON, piece by piece, so that what would be too long stops early."""
    pieces, length = [], 0
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
    for piece in encoder.iterencode(value):
        pieces.append(piece)
        length += len(piece)
        if length > MOST_TEXT:
            raise FoundNothing("the text is too long")
    return "".join(pieces)


class _Bounded(TreeInterpreter):
    def __init__(self) -> None:
        super().__init__(Options(custom_functions=_Functions()))
        self._steps = 0

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._spend(1)
        return super().visit(node, *args, **kwargs)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        self._spend(sum(len(item) if isinstance(item, list) else 1 for item in base))
        merged: list[Any] = []
        for item in base:
            merged += item if isinstance(item, list) else [item]
        return merged

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        found = super().visit_function_expression(node, value)
        if isinstance(found, list | dict):
            self._spend(len(found))
        return found

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise FoundNothing("it takes too many steps on this message")
