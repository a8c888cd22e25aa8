"""Commands that are looked up when they are asked for: our own later ones, and those of installed packages.

A package adds a command by an entry point in the group ``veridical.commands``, whose name is the command's and whose
object is a `click.Command`; so the scenarios' commands come in, which nothing here may import. Installed packages are
looked through only where a command is unknown or all are listed: that takes longer than all of ``veridical audit``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from ..errors import ContractError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "CommandGroup"]

GROUP = "veridical.commands"
"""Entry-point group; each entry names a `click.Command`."""


class CommandGroup(click.Group):
    """A group whose commands are of three kinds: added to it, in modules named beforehand, and of installed packages.

    A command that was added hides one of the same name in a module, and that one hides a package's.

    Args:
        modules: place of further commands by name, ``package.module:object``, absolute.
        points: entry-point group of installed packages' commands; None looks for none.
        arguments: of `click.Group`.
    """

    def __init__(
        self, *arguments: Any, modules: Mapping[str, str] | None = None, points: str | None = None, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.modules = dict(modules or {})
        self.points = points
        self._found: dict[str, list[EntryPoint]] | None = None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted; installed packages are looked through."""
        return sorted({*self.commands, *self.modules, *self._points()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name, None where there is none.

        Where all are listed, a package's command that cannot be loaded is listed with the reason, and fails with it
        when it is called; the others can be called all the same.
        """
        if (command := super().get_command(ctx, cmd_name)) is not None:
            return command
        if cmd_name in self.modules:
            module, _, name = self.modules[cmd_name].partition(":")
            return getattr(import_module(module), name)
        points = self._points().get(cmd_name)
        return None if points is None else _loaded(cmd_name, points)

    def _points(self) -> dict[str, list[EntryPoint]]:
        """Entry points of installed packages by name, each value once; looked up once."""
        if self._found is None:
            self._found = {}
            if self.points is not None:
                from importlib.metadata import entry_points  # late: it costs as much as all of click

                for point in sorted(entry_points(group=self.points), key=lambda p: (p.name, p.value)):
                    known = self._found.setdefault(point.name, [])
                    if all(point.value != other.value for other in known):  # one package may be found twice
                        known.append(point)
        return self._found


def _loaded(name: str, points: list[EntryPoint]) -> click.Command:
    if len(points) > 1:
        places = " and ".join(point.value for point in points)
        return _broken(name, f"two packages have a command {name!r}, {places}; uninstall one of them")
    value = points[0].value
    try:
        command = points[0].load()
    except Exception as error:  # noqa: BLE001 - another package's module may raise anything as it is imported
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return _broken(
            name, f"command {name!r} ({value}) cannot be loaded: {told[:200]}; mend or uninstall its package"
        )
    if not isinstance(command, click.Command):
        told = f"command {name!r} ({value}) is a {type(command).__name__}; its package must name a click.Command"
        return _broken(name, told)
    return command


def _broken(name: str, why: str) -> click.Command:
    """A command that says why it cannot be one."""

    def fail(**_: Any) -> None:
        raise ContractError(why)

    everything = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    settings = {"ignore_unknown_options": True}
    return click.Command(name, context_settings=settings, callback=fail, params=[everything], short_help=f"({why})",
                         help=f"{why}.", add_help_option=False)  # fmt: skip
