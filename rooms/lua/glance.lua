#!lua flags=no-writes
-- Look at a room from outside. KEYS: stream, head, awareness hash.
-- Returns: its entries, about how many bytes they take, the id of the newest entry ever ("" if there never was one), how
-- many clients show themselves.
local bytes = redis.call('EXISTS', KEYS[1]) == 1 and redis.call('MEMORY', 'USAGE', KEYS[1]) or 0
return {redis.call('XLEN', KEYS[1]), bytes, redis.call('HGET', KEYS[2], 'last') or '', redis.call('HLEN', KEYS[3])}
