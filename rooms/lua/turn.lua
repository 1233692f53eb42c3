#!lua flags=allow-oom
-- Take a turn that only one process may take in a while.
-- KEYS: a key of its own. ARGV: milliseconds. Returns: 1, or 0 if it was taken.
return redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) and 1 or 0
