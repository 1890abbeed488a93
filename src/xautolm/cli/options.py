"""Options of commands, made from `FitOptions`: names, types, groups, texts, defaults and choices."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from typer.core import TyperCommand, TyperOption

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
        def command_with_options(**values: object) -> None:
            own_values: dict[str, object] = {}
            options: dict[str, object] = {}
            for name, value in values.items():
                if name not in names:
                    own_values[name] = value
                # What was not given is None; 0 and False were.
                elif value is not None:
                    options[name] = value
            own_values[GIVEN] = options
            command(**own_values)

        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for own_parameter in signature.parameters.values():
            if own_parameter.name == GIVEN:
                parameters += [_parameter(name) for name in names]
            else:
                parameters.append(own_parameter)
        set_parameters(command_with_options, parameters)
        return command_with_options

    return decorate


def set_parameters(command: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> None:
    """Let Typer make options and arguments of other parameters than those that a function was written with.

    Typer reads parameters from the signature, and their types from the annotations. As keywords only, those with a
    default may stand before those without.
    """
    keyword_only: list[inspect.Parameter] = []
    annotations: dict[str, object] = {}
    for parameter in parameters:
        parameter = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        keyword_only.append(parameter)
        annotations[parameter.name] = parameter.annotation
    command.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    command.__annotations__ = annotations


class CommandWithChoices(TyperCommand):
    """Shows the names of registries as choices, which are looked up only where somebody asks for the page."""

    # Versions of Typer take these two from click or from a copy of their own, so their types have no lasting name.
    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page of `--help`."""
        for parameter in self.params:
            name = parameter.name or ""
            # Arguments, and options of a command's own, have no field and no registry.
            if not isinstance(parameter, TyperOption) or name not in FitOptions.model_fields:
                continue
            home = shown(name).choices
            if home:
                choices = ", ".join(_choices(home))
                parameter.help = f"{parameter.help} One of: {choices}."
        super().format_help(ctx, formatter)


def _choices(home: str) -> list[str]:
    """Return the names in a registry, as `Shown.choices` names it."""
    # Late: reading the sources of plug-ins takes its time, and only this page needs them.
    from xautolm.cli.choices import names_declared_in

    return names_declared_in(home)


def _parameter(name: str) -> inspect.Parameter:
    """Return a field of `FitOptions` as a parameter that Typer makes an option from; None stands for not given."""
    field = FitOptions.model_fields[name]
    look = shown(name)
    text = _text(field)
    default = _default(field, look)
    info = option(text, default, look.group.value)
    if field.annotation is bool:
        # Both ways, so that it can overrule a file.
        flag = name.replace("_", "-")
        info.param_decls = (f"--{flag}/--no-{flag}",)
    # Optional whatever the field is: None says that it was not given, so that a file's value or the default holds.
    annotation = Annotated[_type_of(field) | None, info]  # type: ignore[valid-type]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=annotation)


def _type_of(field: FieldInfo) -> type:
    """Return what Typer reads an option as; texts are read by `FitOptions`, whose messages say more."""
    is_text_too = any(isinstance(item, BeforeValidator) for item in field.metadata)
    if field.annotation is bool:
        return bool
    if field.annotation in (int, int | None) and not is_text_too:
        return int
    return str


def _text(field: FieldInfo) -> str:
    """Return what an option does, in one line that ends with a stop."""
    assert field.description is not None, "every option has a docstring"
    text = field.description.replace("\n", " ")
    return text.removesuffix(".") + "."


def _default(field: FieldInfo, look: Shown) -> str | None:
    """Return what holds where an option is not given, for people; None where nothing does."""
    if look.default:
        return look.default
    value = field.default
    if value is None or value == ():
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    # As a person would type it.
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)
