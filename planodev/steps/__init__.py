"""What planodev changes, one file each: a title, and run(work) → outcome. Each looks first, then acts."""
