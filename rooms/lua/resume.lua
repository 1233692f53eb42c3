#!lua flags=allow-oom
-- Lease a room once more that was given back, under the fence that it had, whether or not it has entries.
-- KEYS: due set, leases. ARGV: member, fence, milliseconds of a lease.
-- Returns: 1, or 0 if somebody has the room, or it waits after a failure: then nothing is done.
local failures, expiry = string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '', '^%d+ (%d+) (%d+)$')
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if tonumber(failures or '0') > 0 or tonumber(expiry or '0') > now then return 0 end
local until_then = string.format('%.0f', now + tonumber(ARGV[3]))
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' 0 ' .. until_then)
redis.call('ZADD', KEYS[1], until_then, ARGV[1])
return 1
