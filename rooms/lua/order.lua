#!lua
-- Ring every server's bell with an order.
-- KEYS: head of the room without a name, which there never is. ARGV: bell channel, kind, body.
redis.call('SPUBLISH', ARGV[1], cmsgpack.pack({1, ARGV[2], '', '0', '0-0', '0-0', '0-0', ARGV[3]}))
return 1
