"""Client of OpenAI-compatible APIs (vLLM, TEI, Ollama, llama.cpp and others), after OpenAI's API reference.

One background thread with an event loop serves all endpoints of the process; each has a pool of connections, a limit
on concurrent requests and one on its rate. `transport` moves requests, the other modules know what is in them.
"""
