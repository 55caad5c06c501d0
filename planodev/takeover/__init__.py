"""Data that comes from elsewhere: a container made by hand, another engine."""
