#!lua flags=no-writes
-- Hear of all processes of a kind, without being one.
-- KEYS: hash that heartbeat.lua writes. Returns: id, milliseconds since the last beat and what was told, for each.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local reply = {}
local fields = redis.call('HGETALL', KEYS[1])
for index = 1, #fields, 2 do
  local milliseconds, told = string.match(fields[index + 1], '^%d+ (%d+) ?(.*)$')
  if milliseconds then
    reply[#reply + 1] = {fields[index], string.format('%.0f', now - tonumber(milliseconds)), told}
  end
end
return reply
