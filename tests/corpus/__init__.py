"""Updates as real Yjs writes them: histories made by a Node script, and what Yjs says of each."""
