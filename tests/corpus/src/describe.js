/** What Yjs itself says an update holds. */
import * as Y from 'yjs'

const add = (ranges, client, start, length) => {
  if (!length) return
  ranges[client] ??= []
  ranges[client].push([start, start + length])
}

const merge = ranges => {
  for (const client of Object.keys(ranges)) {
    const result = []
    for (const [start, end] of ranges[client].sort((a, b) => a[0] - b[0])) {
      const last = result.at(-1)
      if (last && start <= last[1]) last[1] = Math.max(last[1], end)
      else result.push([start, end])
    }
    ranges[client] = result
  }
  return ranges
}

/** Return the update in base64, the ranges of its structs (skips left out) and deletions, and its state vector. */
export const describe = update => {
  const { structs, ds } = Y.decodeUpdate(update)
  const made = {}
  const deleted = {}
  for (const { id, length, constructor } of structs) {
    if (constructor !== Y.Skip) add(made, id.client, id.clock, length)
  }
  ds.clients.forEach((ranges, client) => ranges.forEach(({ clock, len }) => add(deleted, client, clock, len)))
  const vector = Object.fromEntries(Y.decodeStateVector(Y.encodeStateVectorFromUpdate(update)))
  return { update: Buffer.from(update).toString('base64'), structs: merge(made), deletes: merge(deleted), vector }
}
