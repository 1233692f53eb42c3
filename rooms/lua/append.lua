#!lua
-- Append a room's entries of one tick, and ring its bell.
-- KEYS: stream, head, due set.
-- ARGV: bell channel, epoch for a new head, milliseconds until due, member of the due set,
--       largest payload of a bell in bytes, the epoch of a room that must be as new as begin.lua found it ("" for
--       any room), the generation of the document that the entries belong to, the version of the room's policy that
--       the sender knows, then the entries.
-- Returns: the id before the first of them, the first id, the last id; nothing if the room is not that new; "deleted"
--          if it is deleted, or that document was erased.
local stream, head_key, due = KEYS[1], KEYS[2], KEYS[3]
local channel, new_epoch, delay, member, inline_bytes = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local new_since, ours, version = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])

local function parts(id)
  local milliseconds, sequence = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(milliseconds), tonumber(sequence)
end

local function id_of(milliseconds, sequence)
  return string.format('%.0f-%.0f', milliseconds, sequence)
end

local head = redis.call('HMGET', head_key, 'epoch', 'generation', 'last', 'floor', 'policy')
local epoch, generation, last, floor = head[1], head[2] or '0', head[3] or '0-0', head[4] or '0-0'

-- A mark of an earlier version was put back with an older Redis.
local known = tonumber(string.match(head[5] or '', '^%d+') or '0')
local deleted = string.find(head[5] or '', 'd', 1, true) and known >= version
if deleted or tonumber(generation) > ours then return 'deleted' end
if tonumber(generation) < ours then
  -- A Redis that was emptied knows of no generation. One that was put back to before an erase has what was erased.
  if epoch then
    redis.call('DEL', stream)
    epoch, last, floor = nil, '0-0', '0-0'
  end
  generation = ARGV[7]
end

if new_since ~= '' and (epoch ~= new_since or last ~= '0-0') then return false end

-- Entries that the head knows of but the stream has not: Redis lost them. A new epoch tells every server.
local lost = epoch and last ~= floor and redis.call('EXISTS', stream) == 0
if not epoch then
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  if newest[1] then last = newest[1][1] end
end
if lost or not epoch then
  epoch = new_epoch
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local milliseconds, sequence = parts(last)
if now > milliseconds then
  milliseconds, sequence = now, 0
else
  sequence = sequence + 1
end

-- Due before the first entry, so that no entry ever exists without a task.
redis.call('ZADD', due, 'NX', now + delay, member)
local first = id_of(milliseconds, sequence)
local new_last
local payload, payload_bytes = {}, 0
for index = 9, #ARGV do
  new_last = id_of(milliseconds, sequence)
  redis.call('XADD', stream, new_last, 'e', ARGV[index])
  sequence = sequence + 1
  payload_bytes = payload_bytes + #ARGV[index]
  payload[#payload + 1] = ARGV[index]
end
redis.call('HSET', head_key, 'epoch', epoch, 'generation', generation, 'last', new_last, 'floor', floor)

if payload_bytes > inline_bytes then payload = false end
redis.call('SPUBLISH', channel, cmsgpack.pack({1, 'entries', epoch, generation, floor, last, new_last, payload}))
return {last, first, new_last}
