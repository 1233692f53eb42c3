#!lua flags=no-writes
-- Read the history. KEYS: list that sample.lua writes. Returns: Redis' time in milliseconds, and the items, oldest first.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return {string.format('%.0f', now), redis.call('LRANGE', KEYS[1], 0, -1)}
