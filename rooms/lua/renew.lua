#!lua flags=allow-oom
-- Renew leases of one shard.
-- KEYS: due set, leases. ARGV: milliseconds of a lease, then member and fence of each.
-- Returns: for each 1, or 0 if the lease is another's by now.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local until_then = string.format('%.0f', now + tonumber(ARGV[1]))
local kept = {}
for index = 2, #ARGV, 2 do
  local member, fence = ARGV[index], ARGV[index + 1]
  local holder, failures = string.match(redis.call('HGET', KEYS[2], member) or '', '^(%d+) (%d+) %d+$')
  local ours = holder == fence
  if ours then
    redis.call('HSET', KEYS[2], member, fence .. ' ' .. failures .. ' ' .. until_then)
    redis.call('ZADD', KEYS[1], until_then, member)
  end
  kept[#kept + 1] = ours and 1 or 0
end
return kept
