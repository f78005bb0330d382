"""Reports for people and for programs: text, JSON, and the pages that explain causes."""
