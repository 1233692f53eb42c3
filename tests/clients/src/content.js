/**
 * What a document holds, as JSON that two clients can compare: no value is lost to JSON's smaller world.
 *
 * Root types have no kind of their own until somebody names it, so every client reads the same five.
 */
import { createHash } from 'node:crypto'
import * as Y from 'yjs'

export const TEXT = 'codemirror'

export const roots = (doc) => ({
  text: doc.getText(TEXT),
  rich: doc.getText('rich'),
  map: doc.getMap('map'),
  array: doc.getArray('array'),
  xml: doc.getXmlFragment('xml')
})

export const content = (doc) =>
  Object.fromEntries(Object.entries(roots(doc)).map(([name, type]) => [name, plain(type)]))

/** Return a value of a shared type as JSON; what JSON can't say becomes {"$kind": ...}. */
export function plain (value) {
  if (value instanceof Y.XmlFragment || value instanceof Y.XmlText) return { $xml: value.toString() }
  if (value instanceof Y.Text) return { $text: value.toDelta().map(plainEntries) }
  if (value instanceof Y.Map) return { $map: plainEntries(Object.fromEntries(value.entries())) }
  if (value instanceof Y.Array) return { $array: value.toArray().map(plain) }
  if (value instanceof Y.Doc) return { $doc: value.guid, meta: plain(value.meta) }
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'bigint') return { $bigint: value.toString() }
  if (value === undefined) return { $undefined: true }
  if (Object.is(value, -0) || (typeof value === 'number' && !Number.isFinite(value))) {
    return { $number: Object.is(value, -0) ? '-0' : String(value) }
  }
  return value !== null && typeof value === 'object' ? plainEntries(value) : value
}

const plainEntries = (object) =>
  Object.fromEntries(Object.keys(object).sort().map((key) => [key, plain(object[key])]))

/** Return {"structs": {client: clock}, "deletes": {client: [[start, end]]}}: the half-open ranges of a snapshot. */
export function ranges (doc) {
  const { sv, ds } = Y.snapshot(doc)
  const structs = Object.fromEntries([...sv].sort(([a], [b]) => a - b))
  const deletes = {}
  for (const [client, items] of [...ds.clients].sort(([a], [b]) => a - b)) {
    deletes[client] = mergedRanges(items.map(({ clock, len }) => [clock, clock + len]))
  }
  return { structs, deletes }
}

function mergedRanges (spans) {
  const merged = []
  for (const [start, end] of spans.sort(([a], [b]) => a - b)) {
    const last = merged.at(-1)
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end)
    else merged.push([start, end])
  }
  return merged
}

/** Updates that wait for others which have not come: a document with any of them has not converged. */
export const pending = (doc) => doc.store.pendingStructs !== null || doc.store.pendingDs !== null

/** Equal for two documents exactly when they agree in content, state vector and deletions. */
export const digest = (doc) =>
  createHash('sha256').update(JSON.stringify([content(doc), ranges(doc), pending(doc)])).digest('hex')
