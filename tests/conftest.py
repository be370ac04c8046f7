"""Shared by all tests: the project's root is importable (the lab is used by tests and people)."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
