#!lua
-- Give a room that never had entries a head. As long as that has the same epoch and no last entry, Redis has neither
-- taken entries of the room nor lost any.
-- KEYS: stream, head. ARGV: epoch for a new head, and its generation.
-- Returns: the epoch of a room without entries, or nothing for any other.
local head = redis.call('HMGET', KEYS[2], 'epoch', 'last')
if redis.call('EXISTS', KEYS[1]) == 1 or head[1] and head[2] ~= '0-0' then return false end
if head[1] then return head[1] end
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'generation', ARGV[2], 'last', '0-0', 'floor', '0-0')
return ARGV[1]
