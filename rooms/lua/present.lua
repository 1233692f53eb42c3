#!lua flags=allow-oom
-- Read who is in a room, and forget those who have not renewed their state for long.
-- KEYS: awareness hash. ARGV: milliseconds to keep.
-- Returns: the values that were given to awareness.lua.
local time = redis.call('TIME')
local oldest = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - tonumber(ARGV[1])
local present = {}
local fields = redis.call('HGETALL', KEYS[1])
for index = 1, #fields, 2 do
  local milliseconds, value = string.match(fields[index + 1], '^(%d+) (.*)$')
  if milliseconds and tonumber(milliseconds) >= oldest then
    present[#present + 1] = value
  else
    redis.call('HDEL', KEYS[1], fields[index])
  end
end
return present
