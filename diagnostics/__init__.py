"""What can be seen of a pod, one module per stage of its life: reads and symptoms, never causes."""
