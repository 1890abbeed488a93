"""What plugs into other people's programs."""

__all__ = [
    "optuna",
    "table",
]
