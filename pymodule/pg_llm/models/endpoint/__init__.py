"""Client of OpenAI-compatible APIs (vLLM, TEI, Ollama, llama.cpp and others), after OpenAI's API reference.

Each endpoint has a pool of connections, a limit
on concurrent requests and one on its rate. `transport` moves requests, the other modules know what is in them.
"""
