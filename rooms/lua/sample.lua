#!lua flags=allow-oom
-- Add a sample to the history, of which the oldest go.
-- KEYS: list. ARGV: most samples, the sample. An item is "milliseconds sample", by Redis' own clock.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('RPUSH', KEYS[1], string.format('%.0f ', now) .. ARGV[2])
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[1]), -1)
return 1
