#!lua flags=no-writes
-- Look at a room from outside. KEYS: stream, head, awareness hash.
-- Returns: its entries, about how many bytes they take, the id of the newest entry ever ("" if there never was one), how
-- many clients show themselves, for how many milliseconds the oldest entry has waited (-1 for none).
local bytes, waited = 0, -1
if redis.call('EXISTS', KEYS[1]) == 1 then
  bytes = redis.call('MEMORY', 'USAGE', KEYS[1])
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  if first[1] then waited = math.max(0, now - tonumber(string.match(first[1][1], '^%d+'))) end
end
local last = redis.call('HGET', KEYS[2], 'last') or ''
return {redis.call('XLEN', KEYS[1]), bytes, last, redis.call('HLEN', KEYS[3]), waited}
