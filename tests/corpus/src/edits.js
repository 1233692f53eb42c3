/** One random change to a document, of the kinds that a history allows. */
import * as Y from 'yjs'
import { any, plain, text, word } from './values.js'

const KEYS = ['k', 'key', 'ключ', '😀', '']
const FORMATS = ['bold', 'link', 'комментарий']

/** Where text may be cut without halving an emoji; editors don't, and pycrdt can't bear it. */
const whole = (string, index) => {
  const code = string.charCodeAt(index)
  return code >= 0xDC00 && code <= 0xDFFF ? index - 1 : index
}

/** What a text holds, one UTF-16 unit for each clock that is shown; embeds count one. */
const units = ytext => ytext.toDelta().map(op => typeof op.insert === 'string' ? op.insert : '\ufffc').join('')

const span = (random, ytext) => {
  const shown = units(ytext)
  const from = whole(shown, random.below(shown.length + 1))
  const to = whole(shown, Math.min(shown.length, from + 1 + random.below(6)))
  return [from, Math.max(0, to - from)]
}

const attributes = random => ({ [random.pick(FORMATS)]: random.chance(0.3) ? null : plain(random) })

export const editText = (random, ytext) => {
  const [from, length] = span(random, ytext)
  switch (random.below(6)) {
    case 0: return ytext.delete(from, length)
    case 1: return length && ytext.format(from, length, attributes(random))
    case 2: return ytext.insertEmbed(from, { embed: plain(random) }, random.pick([undefined, attributes(random)]))
    case 3: return ytext.insert(from, text(random), attributes(random))
    default: return ytext.insert(from, text(random))
  }
}

/** Plain typing, as y-codemirror does it. */
export const type = (random, ytext) => {
  const [from, length] = span(random, ytext)
  return random.chance(0.3) ? ytext.delete(from, length) : ytext.insert(from, text(random))
}

const nested = (random, odd) => {
  switch (random.below(5)) {
    case 0: return new Y.Text(text(random))
    case 1: return Y.Array.from([element(any(random, odd))])
    case 2: return new Y.Map([[word(random), any(random, odd)]])
    case 3: return new Y.XmlElement('p')
    default: return new Y.XmlText(text(random))
  }
}

const options = (random, odd) => {
  const chosen = { guid: `subdocument-${random.below(1e6)}` }
  if (random.chance(0.3)) chosen.autoLoad = true
  if (random.chance(0.3)) chosen.gc = false
  if (odd && random.chance(0.3)) chosen.meta = any(random, odd)
  return chosen
}

const value = (random, { odd, deep }) => {
  if (deep && random.chance(0.35)) return nested(random, odd)
  if (deep && random.chance(0.1)) return new Y.Doc(options(random, odd))
  return any(random, odd)
}

/** Arrays refuse undefined and BigInt as elements, though not inside of them. */
const element = value => value === undefined || typeof value === 'bigint' ? [value] : value

export const editMap = (random, allowed, ymap) => {
  const key = random.pick(KEYS)
  if (random.chance(0.25)) return ymap.delete(key)
  const old = ymap.get(key)
  if (old instanceof Y.AbstractType && random.chance(0.6)) return edit(random, allowed, old)
  ymap.set(key, value(random, allowed))
}

export const editArray = (random, allowed, yarray) => {
  const at = random.below(yarray.length + 1)
  const behind = yarray.length - at
  if (behind && random.chance(0.3)) return yarray.delete(at, 1 + random.below(Math.min(3, behind)))
  const old = behind ? yarray.get(at) : null
  if (old instanceof Y.AbstractType && random.chance(0.6)) return edit(random, allowed, old)
  yarray.insert(at, Array.from({ length: 1 + random.below(3) }, () => element(value(random, allowed))))
}

const node = (random, odd) => {
  if (odd && random.chance(0.1)) return new Y.XmlHook('hook')
  return random.chance(0.5) ? new Y.XmlElement(random.pick(['p', 'div', 'ünï'])) : new Y.XmlText(text(random))
}

export const editXml = (random, allowed, xml) => {
  const at = random.below(xml.length + 1)
  if (xml instanceof Y.XmlElement && random.chance(0.3)) {
    if (random.chance(0.3)) return xml.removeAttribute('class')
    return xml.setAttribute(random.pick(['class', 'id']), text(random))
  }
  if (at === xml.length || random.chance(0.3)) return xml.insert(at, [node(random, allowed.odd)])
  if (random.chance(0.2)) return xml.delete(at, 1)
  edit(random, allowed, xml.get(at))
}

/** Values as JSON (ContentJSON), which Yjs wrote before version 13 and still reads. */
export const insertOldJson = (random, yarray) => {
  const { doc } = yarray
  doc.transact(transaction => {
    const id = Y.createID(doc.clientID, Y.getState(doc.store, doc.clientID))
    if (yarray._searchMarker) yarray._searchMarker.length = 0
    const content = new Y.ContentJSON([plain(random), undefined, { a: null }, 's'])
    const first = yarray._start
    new Y.Item(id, null, null, first, first && first.id, yarray, null, content).integrate(transaction, 0)
  })
}

/** Change a shared type in a way that fits it. */
export const edit = (random, allowed, shared) => {
  if (shared instanceof Y.XmlHook) return shared.set('k', any(random, allowed.odd))
  if (shared instanceof Y.Text) return editText(random, shared)
  if (shared instanceof Y.XmlFragment) return editXml(random, allowed, shared)
  if (shared instanceof Y.Map) return editMap(random, allowed, shared)
  editArray(random, allowed, shared)
}
