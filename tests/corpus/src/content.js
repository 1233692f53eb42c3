/** What a document says, as JSON that two documents share exactly if they say the same. */
import * as Y from 'yjs'

const number = value => {
  if (Object.is(value, -0)) return { $: '-0' }
  return Number.isFinite(value) ? value : { $: String(value) }
}

const sorted = (object, of) => Object.fromEntries(Object.keys(object).sort().map(key => [`.${key}`, of(object[key])]))

const items = ytype => {
  const found = []
  for (let item = ytype._start; item; item = item.right) {
    if (!item.deleted && item.countable) found.push(...item.content.getContent().map(content))
  }
  return found
}

const attributes = ytype => {
  const found = {}
  ytype._map.forEach((item, key) => {
    if (!item.deleted) found[key] = item.content.getContent()[item.length - 1]
  })
  return sorted(found, content)
}

const delta = ytext => ytext.toDelta().map(({ insert, attributes }) => [content(insert), content(attributes)])

const shared = ytype => {
  const kind = ytype.nodeName || ytype.hookName || ytype.constructor.name
  return { $: kind, list: ytype instanceof Y.Text ? delta(ytype) : items(ytype), map: attributes(ytype) }
}

const subdocument = ({ guid, gc, autoLoad, meta }) => ({ $: 'Doc', guid, gc, autoLoad, meta: content(meta) })

/** Turn any value that Yjs can hold into JSON; what JSON doesn't have becomes an object with the key "$". */
export const content = value => {
  if (value === undefined) return { $: 'undefined' }
  if (typeof value === 'bigint') return { $: 'bigint', value: String(value) }
  if (typeof value === 'number') return number(value)
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Y.AbstractType) return shared(value)
  if (value instanceof Y.Doc) return subdocument(value)
  if (value instanceof Uint8Array) return { $: 'bytes', value: Buffer.from(value).toString('hex') }
  return Array.isArray(value) ? value.map(content) : sorted(value, content)
}

export const ROOTS = {
  text: doc => doc.getText('text'),
  map: doc => doc.getMap('map'),
  array: doc => doc.getArray('array'),
  xml: doc => doc.getXmlFragment('xml')
}

export const documentContent = doc =>
  Object.fromEntries(Object.entries(ROOTS).map(([name, root]) => [name, content(root(doc))]))
