"""The service: an agent asked over HTTP and WebSocket, for systems in other languages (extra ``serve``)."""
