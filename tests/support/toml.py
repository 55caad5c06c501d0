"""The reader of TOML: Python's own, or before 3.11 the package that it comes from."""

import sys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["tomllib"]
