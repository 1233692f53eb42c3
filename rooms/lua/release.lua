#!lua flags=allow-oom
-- Give a room back that was not persisted; with a delay, because it could not be.
-- KEYS: due set, leases, stream. ARGV: member, fence, milliseconds to wait; above 0 they count as a failure.
-- Returns: 1, or 0 if the lease is another's by now: then nothing is done.
local due, leases, member, delay = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[3])
local holder, failures = string.match(redis.call('HGET', leases, member) or '', '^(%d+) (%d+) %d+$')
if holder ~= ARGV[2] then return 0 end
if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('HDEL', leases, member)
  redis.call('ZREM', due, member)
  return 1
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if delay > 0 then failures = string.format('%.0f', tonumber(failures) + 1) end
redis.call('HSET', leases, member, '0 ' .. failures .. ' 0')
redis.call('ZADD', due, string.format('%.0f', now + delay), member)
return 1
