"""The conversations that Plano has stored: which rows are one, and how a person reads them."""
