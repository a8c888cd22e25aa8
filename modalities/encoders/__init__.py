"""Pretrained encoders, frozen: what is seen (EfficientNet-Lite0), heard (YAMNet), read (MiniLM) and said (Whisper).

Importing this package imports none of them; take each from its module.
"""

__all__: list[str] = []
