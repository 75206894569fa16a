"""RT-2 policies whose model runs in an inference engine with OpenAI's chat completions API, such as vLLM."""
