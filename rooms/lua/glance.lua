#!lua flags=no-writes
-- Look at a room from outside. KEYS: stream, head, awareness hash.
-- Returns: its entries, about how many bytes they take, the id of the newest entry ever ("" if there never was one), how
-- many clients show themselves, the id of the oldest entry ("" for none), for how many milliseconds that has waited.
local bytes, oldest, waited = 0, '', 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  bytes = redis.call('MEMORY', 'USAGE', KEYS[1])
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  if first[1] then
    oldest = first[1][1]
    waited = math.max(0, now - tonumber(string.match(oldest, '^%d+')))
  end
end
local last = redis.call('HGET', KEYS[2], 'last') or ''
return {redis.call('XLEN', KEYS[1]), bytes, last, redis.call('HLEN', KEYS[3]), oldest, waited}
