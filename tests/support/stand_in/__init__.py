"""A stand-in of Plano: its two programs, as honest as a test needs them, started by the real planoai or in a container.

Tests cannot have Plano's own programs. Each behaviour stands next to the fact that it copies: Plano 0.4.36, read in its
source (`crates/brightstaff/src`, `config/envoy.template.yaml`) and seen with the real programs.
"""
