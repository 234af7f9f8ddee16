"""The multimodal models that can be edited."""
