#!lua flags=allow-oom
-- Let the next claims of a shard have fences above one that the store has seen: this Redis lost its counter.
-- KEYS: fence counter. ARGV: the fence that was seen.
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1
