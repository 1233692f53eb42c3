#!lua flags=allow-oom
-- Make tasks for rooms of one shard that have none, due now.
-- KEYS: due set. ARGV: members. Returns: how many had none.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local found = 0
for _, member in ipairs(ARGV) do
  found = found + redis.call('ZADD', KEYS[1], 'NX', now, member)
end
return found
