"""What planodev looks at and never changes, one file each."""
