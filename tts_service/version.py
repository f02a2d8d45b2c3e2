"""The version, apart from the package's root so that packaging can read it without importing Flask."""

__version__ = "0.1.0"
