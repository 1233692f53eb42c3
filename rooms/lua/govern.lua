#!lua flags=allow-oom
-- Let Redis know what the site says about a room, and ring its bell. What was said earlier counts no more, and what
-- belongs to a document that was erased is removed.
-- KEYS: stream, head, awareness hash.
-- ARGV: bell channel, version and marks ("" before the first), the room's generation, epoch for a head of that.
-- Returns: 1.
local head = redis.call('HMGET', KEYS[2], 'epoch', 'generation', 'last', 'floor', 'policy')
local epoch, generation, last, floor = head[1], head[2] or '0', head[3] or '0-0', head[4] or '0-0'

local function version(policy)
  return tonumber(string.match(policy or '', '^%d+') or '0')
end

if version(head[5]) < version(ARGV[2]) then
  redis.call('HSET', KEYS[2], 'policy', ARGV[2])
end
if tonumber(generation) < tonumber(ARGV[3]) then
  if epoch then redis.call('DEL', KEYS[1], KEYS[3]) end -- else what is there came after the head was lost
  epoch, generation, last, floor = ARGV[4], ARGV[3], '0-0', '0-0'
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'generation', generation, 'last', last, 'floor', floor)
end
redis.call('SPUBLISH', ARGV[1], cmsgpack.pack({1, 'policy', epoch or '', generation, floor, last, last, ''}))
return 1
