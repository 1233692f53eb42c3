#!lua flags=allow-oom
-- Answer a roll call. KEYS: list of answers. ARGV: the answer, milliseconds for which it is kept.
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
