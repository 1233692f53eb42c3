#!lua flags=no-writes
-- Look at the queue of one shard from outside.
-- KEYS: due set. ARGV: what the streams' keys begin with, milliseconds after which a due room is overdue, how many
--       rooms at the front are looked into.
-- Returns: rooms in the queue, how many of them are due, and overdue; milliseconds since the oldest entry of those that
--          were looked into was taken, or -1 if they have none.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local oldest = -1
if tonumber(ARGV[3]) > 0 then
  for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[3]) - 1)) do
    local first = redis.pcall('XRANGE', ARGV[1] .. member, '-', '+', 'COUNT', 1)
    if not first.err and first[1] then
      oldest = math.max(oldest, now - tonumber(string.match(first[1][1], '^%d+')), 0)
    end
  end
end
return {
  redis.call('ZCARD', KEYS[1]),
  redis.call('ZCOUNT', KEYS[1], '-inf', now),
  redis.call('ZCOUNT', KEYS[1], '-inf', now - tonumber(ARGV[2])),
  oldest,
}
