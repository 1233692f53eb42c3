#!lua flags=no-writes
-- Read what was answered to a roll call. KEYS: list of answers. Returns: all of them.
return redis.call('LRANGE', KEYS[1], 0, -1)
