"""Policies exported to ONNX (`rt-vla export`): written with torch, run with onnxruntime."""
