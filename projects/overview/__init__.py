"""What pages show of a project, and of all projects a person may read: figures, pictures with their tables, links."""
