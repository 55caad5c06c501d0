"""What a configuration is once all its models are stored."""

from __future__ import annotations

AFTER = """\
version: v0.4.0   # mine
listeners: [ {type: model, name: m, port: 12000} ]
model_providers:
  # the one that all use
  - model: openai-chat/gpt-4o   # today
    base_url: https://api.openai.com/v1
    provider_interface: mistral
    access_key: $OPENAI_API_KEY
    default: true
  - {"model": "xai-chat/grok-4.3", "base_url": "https://api.x.ai/v1", "provider_interface": "mistral", "access_key": $XAI_API_KEY}
  - base_url: http://localhost:8080/v1
    model: 'local/llama'
    provider_interface: mistral
  - model: anthropic/c
  - model: groq-chat/l
    provider_interface: mistral
    base_url: https://api.groq.com/openai/v1
model_aliases:
  fast: {target: "openai-chat/gpt-4o"}
  slow: {target: gpt-4o}
routing_preferences:
  - {name: a, description: openai/gpt-4o, models: [openai-chat/gpt-4o, anthropic/c, xai-chat/grok-4.3]}
model_metrics_sources:
  - {type: cost, provider: models.dev, model_aliases: {openai/gpt-4o: openai-chat/gpt-4o}}
"""  # noqa: E501
