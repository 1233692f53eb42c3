/** Named edits with every kind of content that Yjs has; each one runs on a client's document. */
import * as Y from 'yjs'
import { roots } from './content.js'

export const scripts = {
  formattedText (doc) {
    const { rich } = roots(doc)
    rich.insert(0, 'plain bold link', {})
    rich.format(6, 4, { bold: true })
    rich.format(11, 4, { link: { href: 'https://example.org/?a=b&c=d' }, size: 3 })
    rich.insert(10, ' ünï 👩‍👩‍👧 𝒳', { italic: true })
    rich.delete(0, 2)
  },
  embeds (doc) {
    const { rich } = roots(doc)
    rich.insertEmbed(0, { image: 'data:,', width: 7, nested: [1, { two: null }] }, { alt: 'a picture' })
    rich.insertEmbed(1, new Y.Map([['kind', 'a shared type as embed']]))
  },
  xml (doc) {
    const { xml } = roots(doc)
    const paragraph = new Y.XmlElement('p')
    paragraph.setAttribute('class', 'lead')
    const text = new Y.XmlText('hello ')
    text.insert(6, 'world', { em: true })
    paragraph.insert(0, [text, new Y.XmlElement('br')])
    xml.insert(0, [paragraph, new Y.XmlElement('hr')])
    paragraph.delete(1, 1)
  },
  subdocuments (doc) {
    roots(doc).map.set('subdocument', new Y.Doc({ guid: 'demo-guid-of-a-subdocument', meta: { title: 'inner' } }))
    roots(doc).array.push([new Y.Doc({ guid: 'demo-guid-of-another', autoLoad: true })])
  },
  binary (doc) {
    const every = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    roots(doc).map.set('bytes', every)
    roots(doc).array.push([every.subarray(0, 3), new Uint8Array(0)])
  },
  undefinedValues (doc) {
    roots(doc).map.set('nothing', undefined)
    roots(doc).array.push([null, { inner: undefined }, [undefined]])
  },
  bigInts (doc) {
    roots(doc).map.set('big', 9007199254740993n)
    roots(doc).array.push([[2n ** 63n - 1n, -(2n ** 63n)], { inner: [{ deep: 1n }] }])
  },
  numbers (doc) {
    roots(doc).array.push([0, -0, 1.5, -1, 2 ** 31, 2 ** 53 - 1, -(2 ** 53 - 1), 1e300, 0.1, NaN, Infinity, true, false])
  },
  nested (doc) {
    const inner = new Y.Map()
    roots(doc).array.insert(0, [inner])
    inner.set('list', Y.Array.from([1, 'two', new Y.Text('three')]))
    inner.set('gone', new Y.Array())
    inner.delete('gone')
  },
  manyDeletions (doc) {
    // Deleting every second character leaves one delete range for each: nothing of it can be merged away.
    const { text } = roots(doc)
    for (let at = 0; at < 500; at += 1) text.insert(at * 2, 'ab')
    for (let at = 0; at < 500; at += 1) text.delete(at, 1)
  }
}
