#!lua flags=allow-oom
-- Forget what is persisted of a room, and give it back.
-- KEYS: due set, leases, stream, head.
-- ARGV: member, fence, last id that is persisted, fingerprint of the newest entries up to it, epoch and generation of
--       the head when they were read, debounce, maximum delay, how many entries the fingerprint is of at most.
-- Returns: 1, or 0 if the lease is another's by now: then nothing is done.
local due, leases, stream, head_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member, fence, upto = ARGV[1], ARGV[2], ARGV[3]
local holder = string.match(redis.call('HGET', leases, member) or '', '^(%d+) %d+ %d+$')
if holder ~= fence then return 0 end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function parts(id)
  local milliseconds, sequence = string.match(id or '', '^(%d+)-(%d+)$')
  return tonumber(milliseconds or '0'), tonumber(sequence or '0')
end

-- An older stream that was restored has the epoch of ours, and may have given its ids to other entries since: after a
-- clock that was ahead they follow one another. Whoever has the newest entries that we have, has those before them.
local function fingerprint()
  local texts = {}
  for _, entry in ipairs(redis.call('XREVRANGE', stream, upto, '-', 'COUNT', ARGV[9])) do
    texts[#texts + 1] = entry[1] .. ' ' .. #entry[2][2] .. ' '
    texts[#texts + 1] = entry[2][2]
  end
  return redis.sha1hex(table.concat(texts))
end

-- If these are not the entries that were read, they are persisted first.
local head = redis.call('HMGET', head_key, 'epoch', 'generation', 'floor')
local same = (head[1] or '') == ARGV[5] and (head[2] or '0') == ARGV[6] and fingerprint() == ARGV[4]
if same then
  local milliseconds, sequence = parts(upto)
  local floor_milliseconds, floor_sequence = parts(head[3])
  local above = milliseconds > floor_milliseconds or milliseconds == floor_milliseconds and sequence > floor_sequence
  if above and head[1] then redis.call('HSET', head_key, 'floor', upto) end
  redis.call('XTRIM', stream, 'MINID', '=', string.format('%.0f-%.0f', milliseconds, sequence + 1))
  if redis.call('XLEN', stream) == 0 then redis.call('DEL', stream) end
end

local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
redis.call('HDEL', leases, member)
if not first[1] then
  redis.call('ZREM', due, member)
elseif not same then
  redis.call('ZADD', due, now, member)
else
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  local at = math.min((parts(last[1][1])) + tonumber(ARGV[7]), (parts(first[1][1])) + tonumber(ARGV[8]))
  redis.call('ZADD', due, string.format('%.0f', math.min(at, now + tonumber(ARGV[8]))), member)
end
return 1
