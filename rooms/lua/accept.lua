#!lua flags=allow-oom
-- Accept that what was trimmed above an entry is lost: the store ends there. A new epoch lets every server ask those
-- who have the room open for what they still hold.
-- KEYS: stream, head. ARGV: last id that the store covers, a new epoch.
-- Returns: 1, or 0 if nothing above it was trimmed: then nothing is done.
local stream, head_key, covered = KEYS[1], KEYS[2], ARGV[1]

local function parts(id)
  local milliseconds, sequence = string.match(id or '', '^(%d+)-(%d+)$')
  return tonumber(milliseconds or '0'), tonumber(sequence or '0')
end

local floor_milliseconds, floor_sequence = parts(redis.call('HGET', head_key, 'floor') or '0-0')
local milliseconds, sequence = parts(covered)
if floor_milliseconds < milliseconds or floor_milliseconds == milliseconds and floor_sequence <= sequence then
  return 0
end
redis.call('HSET', head_key, 'epoch', ARGV[2], 'floor', covered)
if redis.call('EXISTS', stream) == 0 then redis.call('HSET', head_key, 'last', covered) end
return 1
