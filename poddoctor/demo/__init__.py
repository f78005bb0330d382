"""The recorded broken pods that ship with the package."""
