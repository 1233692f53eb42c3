#!lua flags=allow-oom
-- Claim rooms of one shard that are due. A room that is still being written to is put off, one without entries is
-- dropped: each room that is looked at leaves the front of the queue, so that the next call sees others.
-- KEYS: due set, leases (member -> "fence failures expiry"), fence counter.
-- ARGV: most rooms, milliseconds of a lease, debounce, maximum delay, what the streams' keys begin with.
-- Returns: member, fence and failures so far, for each room; then 1 if there are others that were not looked at.
local due, leases, fences = KEYS[1], KEYS[2], KEYS[3]
local most, lease, debounce, max_delay = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- When a room is to be persisted: false without entries, at once when it has none that can be read. An id may be
-- ahead of the clock, which was set back: such an entry counts as of now, or at once if it is the first one.
local function ready_at(stream)
  local first = redis.pcall('XRANGE', stream, '-', '+', 'COUNT', 1)
  if first.err then return now end
  if not first[1] then return false end
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  local first_at = tonumber(string.match(first[1][1], '^%d+'))
  local last_at = math.min(tonumber(string.match(last[1][1], '^%d+')), now)
  if first_at > now then return now end
  return math.min(last_at + debounce, first_at + max_delay)
end

-- Failures and expiry of a member's lease; one that can't be read was never ours, and counts as none.
local function lease_of(member)
  local failures, expiry = string.match(redis.call('HGET', leases, member) or '', '^%d+ (%d+) (%d+)$')
  return failures or '0', tonumber(expiry or '0')
end

local claimed = {}
local looked_at = 4 * most + 100
local candidates = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, looked_at)
for _, member in ipairs(candidates) do
  if #claimed == most then break end
  local failures, expiry = lease_of(member)
  local ready = ready_at(ARGV[5] .. member)
  if expiry > now then
    redis.call('ZADD', due, string.format('%.0f', expiry), member)
  elseif not ready then
    redis.call('ZREM', due, member)
    redis.call('HDEL', leases, member)
  elseif ready > now then
    redis.call('ZADD', due, string.format('%.0f', ready), member)
  else
    local fence = redis.call('INCR', fences)
    local until_then = string.format('%.0f', now + lease)
    redis.call('HSET', leases, member, string.format('%.0f', fence) .. ' ' .. failures .. ' ' .. until_then)
    redis.call('ZADD', due, until_then, member)
    claimed[#claimed + 1] = {member, fence, tonumber(failures)}
  end
end
return {claimed, #candidates == looked_at and 1 or 0}
