"""The causes, one YAML file each: <family>/<cause>.yaml."""
