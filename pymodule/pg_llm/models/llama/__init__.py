"""GGUF models, run by llama.cpp's own server in a child process, which a crash ends alone.

`server` is that process, `settings` what it is started with; `process` starts, calls and ends it; `generation` and
`choice` know what is asked of it.
"""
