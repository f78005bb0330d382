"""poddoctor: why a Kubernetes pod does not work, and what to type now."""
