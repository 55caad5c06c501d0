"""Data that comes from elsewhere: a container created by hand, another engine."""
