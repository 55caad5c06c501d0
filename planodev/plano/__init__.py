"""What Plano needs: its configuration, its connection string, its models and providers, and their keys."""
