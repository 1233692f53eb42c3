#!lua flags=allow-oom
-- Say that a server process lives, and hear of the others.
-- KEYS: servers hash. ARGV: server id, number of this beat, seats, rooms, milliseconds after which silence is
--       forgotten.
-- Returns: number of the beat before ("" if there is none), then id and milliseconds since its last beat, for each.
-- A field is "beat milliseconds seats rooms".
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local before = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%s %.0f %s %s', ARGV[2], now, ARGV[3], ARGV[4]))
local reply = {before and string.match(before, '^%d+') or ''}
local fields = redis.call('HGETALL', KEYS[1])
for index = 1, #fields, 2 do
  local silent = now - tonumber(string.match(fields[index + 1], '^%d+ (%d+)'))
  if silent > tonumber(ARGV[5]) then
    redis.call('HDEL', KEYS[1], fields[index])
  end
  reply[#reply + 1] = fields[index]
  reply[#reply + 1] = string.format('%.0f', silent)
end
return reply
