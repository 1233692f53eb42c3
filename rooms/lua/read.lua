#!lua flags=no-writes
-- Read a room's head and its entries after an id, up to about as many bytes as asked for (at least one page).
-- KEYS: stream, head. ARGV: after (exclusive), bytes, or -1 for the head alone.
-- Returns: {epoch, generation, last, floor, policy} with nils, whether the stream lost entries, entries, whether more follow.
local PAGE = 16
local head = redis.call('HMGET', KEYS[2], 'epoch', 'generation', 'last', 'floor', 'policy')
local lost = head[1] and head[3] ~= head[4] and redis.call('EXISTS', KEYS[1]) == 0
local limit = tonumber(ARGV[2])
if limit < 0 then
  return {head, lost and 1 or 0, {}, 0}
end

local function is_after(one, other)
  local milliseconds, sequence = string.match(one, '^(%d+)-(%d+)$')
  local other_milliseconds, other_sequence = string.match(other, '^(%d+)-(%d+)$')
  milliseconds, other_milliseconds = tonumber(milliseconds) or 0, tonumber(other_milliseconds) or 0
  return milliseconds > other_milliseconds
    or milliseconds == other_milliseconds and (tonumber(sequence) or 0) > (tonumber(other_sequence) or 0)
end

-- Whoever asks was given an entry that nobody trimmed and the stream has not: an older stream was restored, and
-- others have written to it since.
if is_after(ARGV[1], head[4] or '0-0') and #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then
  lost = true
end
local entries, bytes, after, more = {}, 0, ARGV[1], true
while more and bytes <= limit do
  local page = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', PAGE)
  for _, entry in ipairs(page) do
    after = entry[1]
    entries[#entries + 1] = {after, entry[2][2]}
    bytes = bytes + #entry[2][2]
  end
  more = #page == PAGE
end
return {head, lost and 1 or 0, entries, more and 1 or 0}
