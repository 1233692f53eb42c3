#!lua flags=allow-oom
-- Claim one room now, whether or not it has entries, is due, or waits after a failure.
-- KEYS: due set, leases (member -> "fence failures expiry"), fence counter. ARGV: member, milliseconds of a lease.
-- Returns: fence and failures so far, or nothing if somebody has the room.
local due, leases, fences, member = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local failures, expiry = string.match(redis.call('HGET', leases, member) or '', '^%d+ (%d+) (%d+)$')
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if tonumber(expiry or '0') > now then return false end
local fence = redis.call('INCR', fences)
local until_then = string.format('%.0f', now + tonumber(ARGV[2]))
redis.call('HSET', leases, member, string.format('%.0f', fence) .. ' ' .. (failures or '0') .. ' ' .. until_then)
redis.call('ZADD', due, until_then, member)
return {fence, tonumber(failures or '0')}
