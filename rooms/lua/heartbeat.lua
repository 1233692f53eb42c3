#!lua flags=allow-oom
-- Say that a process lives, and hear of the others of its kind.
-- KEYS: hash of the kind. ARGV: id of the process, number of this beat, milliseconds after which silence is forgotten,
--       then the numbers that it tells of itself.
-- Returns: number of the beat before ("" if there is none), then id and milliseconds since its last beat, for each.
-- A field is "beat milliseconds numbers ..."; another release may tell fewer or more of them.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local before = redis.call('HGET', KEYS[1], ARGV[1])
local told = table.concat(ARGV, ' ', 4)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%s %.0f %s', ARGV[2], now, told))
local reply = {before and string.match(before, '^%d+') or ''}
local fields = redis.call('HGETALL', KEYS[1])
for index = 1, #fields, 2 do
  local silent = now - tonumber(string.match(fields[index + 1], '^%d+ (%d+)'))
  if silent > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], fields[index])
  end
  reply[#reply + 1] = fields[index]
  reply[#reply + 1] = string.format('%.0f', silent)
end
return reply
