#!lua
-- Keep the newest awareness states of a room for newcomers, and ring its bell with them.
-- KEYS: awareness hash, head. A field's value is "milliseconds value", by Redis' own clock.
-- ARGV: bell channel, milliseconds to keep, the bell's body, then client id and its value; "" removes the client.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for index = 4, #ARGV, 2 do
  if ARGV[index + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[index])
  else
    redis.call('HSET', KEYS[1], ARGV[index], string.format('%.0f ', now) .. ARGV[index + 1])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local head = redis.call('HMGET', KEYS[2], 'epoch', 'generation', 'last', 'floor')
local last = head[3] or '0-0'
redis.call('SPUBLISH', ARGV[1], cmsgpack.pack(
  {1, 'awareness', head[1] or '', head[2] or '0', head[4] or '0-0', last, last, ARGV[3]}))
return 1
