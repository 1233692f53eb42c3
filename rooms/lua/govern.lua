#!lua flags=allow-oom
-- Let Redis know what the site says about a room; if it did not, ring the room's bell. What was said earlier counts no
-- more, and what belongs to a document that was erased is removed.
-- KEYS: stream, head, awareness hash.
-- ARGV: bell channel, version and marks ("" before the first), the room's generation, epoch for a head of that, "1" if
--       the room is being erased.
-- Returns: 1 if Redis did not know, else 0.
local head = redis.call('HMGET', KEYS[2], 'epoch', 'generation', 'last', 'floor', 'policy')
local epoch, generation, last, floor = head[1], head[2] or '0', head[3] or '0-0', head[4] or '0-0'

local function version(policy)
  return tonumber(string.match(policy or '', '^%d+') or '0')
end

local is_later, is_new = version(head[5]) < version(ARGV[2]), tonumber(generation) < tonumber(ARGV[3])
if is_later then redis.call('HSET', KEYS[2], 'policy', ARGV[2]) end
if is_new then
  -- A stream without a head came after that was lost, and is kept; unless now is when all goes.
  if epoch or ARGV[5] == '1' then redis.call('DEL', KEYS[1], KEYS[3]) end
  epoch, generation, last, floor = ARGV[4], ARGV[3], '0-0', '0-0'
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'generation', generation, 'last', last, 'floor', floor)
end
if not (is_later or is_new) then return 0 end
redis.call('SPUBLISH', ARGV[1], cmsgpack.pack({1, 'policy', epoch or '', generation, floor, last, last, ''}))
return 1
