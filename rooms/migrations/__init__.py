"""Tables, step by step."""
