"""Rule checks over the fields of one message. Pure, apart from the user's own functions, which may not hurt anybody."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, assert_never

from schemas.checkdigits import Scheme, digits_right
from schemas.checks import Check, CheckDigitCheck, FunctionCheck, OneOfCheck, RangeCheck, RequiresCheck
from schemas.verdict import Doubt, Reason

Rule = Callable[[Mapping[str, Any], str], Reason | None]

_MAX_DETAIL = 200


def compile_rules(checks: Sequence[Check], functions: Mapping[str, Callable[[dict[str, Any], str], str | None]]) -> list[Rule]:
    """Return one rule per check. `functions` holds the user's check functions by import path."""
    return [_compile(check, functions) for check in checks]


def broken_rules(rules: Sequence[Rule], values: Mapping[str, Any], text: str) -> list[Reason]:
    """Return the reasons of the rules that these values break."""
    return [reason for rule in rules if (reason := rule(values, text)) is not None]


def _compile(check: Check, functions: Mapping[str, Callable[[dict[str, Any], str], str | None]]) -> Rule:
    match check:
        case RequiresCheck(when=when, labels=labels, field=field):
            return lambda values, _: (
                Reason(Doubt.CHECK_FAILED, field, f"it is required when {when} is {values[when]}")
                if values.get(when) in labels and values.get(field) is None
                else None
            )
        case OneOfCheck(field=field, values=allowed):
            folded = frozenset(value.casefold() for value in allowed)
            return lambda values, _: (
                Reason(Doubt.CHECK_FAILED, field, "it is none of the values allowed")
                if values.get(field) is not None and str(values[field]).casefold() not in folded
                else None
            )
        case RangeCheck(field=field, least=least, most=most):
            return lambda values, _: _outside(field, values.get(field), least, most)
        case CheckDigitCheck(field=field, scheme=scheme):
            return lambda values, _: _miscopied(field, values.get(field), scheme)
        case FunctionCheck(function=path):
            return _user_rule(path, functions[path])
        case _:
            assert_never(check)


def _outside(field: str, value: Any, least: float | None, most: float | None) -> Reason | None:
    if isinstance(value, Mapping):
        value = value.get("amount")
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if number.is_nan():
        return Reason(Doubt.CHECK_FAILED, field, "it is not a number")
    if (least is not None and number < Decimal(str(least))) or (most is not None and number > Decimal(str(most))):
        return Reason(Doubt.CHECK_FAILED, field, "it is out of range")
    return None


def _miscopied(field: str, value: Any, scheme: Scheme) -> Reason | None:
    if value is None or digits_right(scheme, str(value)):
        return None
    return Reason(Doubt.CHECK_FAILED, field, "its check digit is wrong")


def _user_rule(path: str, function: Callable[[dict[str, Any], str], str | None]) -> Rule:
    def rule(values: Mapping[str, Any], text: str) -> Reason | None:
        try:
            violation = function(dict(values), text)
            return None if violation is None else Reason(Doubt.CHECK_FAILED, None, str(violation)[:_MAX_DETAIL])
        except Exception as error:  # noqa: BLE001  # a user's check may raise anything; the message is escalated, not lost
            return Reason(Doubt.CHECK_FAILED, None, f"{path} raised {type(error).__name__}")

    return rule
