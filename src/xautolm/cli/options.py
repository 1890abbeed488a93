"""Options of commands, made from `FitOptions`: names, types, groups, texts, defaults and choices."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from typer.core import TyperCommand

from xautolm.options import FitOptions, Shown, shown

Given = Mapping[str, Any]
"""Options that were given on the command line, by the names of `FitOptions`' fields."""
GIVEN = "options"
"""The parameter of a command that takes them."""


def option(text: str, default: str | None = None, panel: str | None = None) -> Any:
    """Return an option that is None unless it is given.

    Args:
        text: What it does.
        default: What holds where it is not given, as `--help` shows it.
        panel: The group that `--help` shows it in.
    """
    # Not in square brackets, which rich takes for markup and leaves out.
    help_text = f"{text} (default: {default})" if default else text
    return typer.Option(help=help_text, show_default=False, rich_help_panel=panel)


def takes_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command these fields of `FitOptions` as options.

    The command gets those that were given as a mapping, in its parameter `options`, at whose place they stand in
    `--help`; its other parameters stay as they are.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def command_with_options(**values: Any) -> None:
            # What was not given is None; 0 and False were.
            given = {name: values[name] for name in names if values[name] is not None}
            own_values = {name: value for name, value in values.items() if name not in names}
            command(**own_values, **{GIVEN: given})

        # Typer reads parameters from the signature, and types from the annotations.
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for own_parameter in signature.parameters.values():
            parameters += (
                [_parameter(name) for name in names]
                if own_parameter.name == GIVEN
                else [own_parameter]
            )
        keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
        command_with_options.__signature__ = signature.replace(parameters=keyword_only)  # type: ignore[attr-defined]
        command_with_options.__annotations__ = {each.name: each.annotation for each in keyword_only}
        return command_with_options

    return decorate


class CommandWithChoices(TyperCommand):
    """Shows the names of registries as choices, which are looked up only where somebody asks for the page."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page of `--help`."""
        for parameter in self.params:
            name = parameter.name
            choices = _choices(shown(name)) if name in FitOptions.model_fields else []
            if choices:
                parameter.help = f"{getattr(parameter, 'help', '')} One of: {', '.join(choices)}."  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def _choices(look: Shown) -> list[str]:
    from xautolm.cli.choices import names_declared_in

    return names_declared_in(look.choices) if look.choices else []


def _parameter(name: str) -> inspect.Parameter:
    """Return a field of `FitOptions` as a parameter that Typer makes an option from; None stands for not given."""
    field = FitOptions.model_fields[name]
    look = shown(name)
    info = option(_text(field), _default(field, look), look.group.value)
    if field.annotation is bool:
        # Both ways, so that it can overrule a file.
        flag = name.replace("_", "-")
        info.param_decls = (f"--{flag}/--no-{flag}",)
    annotation = Annotated[_type_of(field) | None, info]  # type: ignore[valid-type]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _type_of(field: FieldInfo) -> type:
    """Return what Typer reads an option as; texts are read by `FitOptions`, whose messages say more."""
    is_text_too = any(isinstance(item, BeforeValidator) for item in field.metadata)
    if field.annotation is bool:
        return bool
    if field.annotation in (int, int | None) and not is_text_too:
        return int
    return str


def _text(field: FieldInfo) -> str:
    assert field.description is not None, "every option has a docstring"
    return field.description.replace("\n", " ").removesuffix(".") + "."


def _default(field: FieldInfo, look: Shown) -> str | None:
    """Return what holds where an option is not given, for people; None where nothing does."""
    if look.default:
        return look.default
    value = field.default
    if value is None or value == ():
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, tuple) else str(value)
