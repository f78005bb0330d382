"""The only package that talks to a cluster. Only GET is ever sent."""
