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
  /** As y-prosemirror writes its documents: an element for each node, marks as formats of a text. */
  proseMirror (doc) {
    const heading = new Y.XmlElement('heading')
    heading.setAttribute('level', 1)
    heading.insert(0, [new Y.XmlText('Minutes of the meeting')])
    const text = new Y.XmlText()
    text.applyDelta([
      { insert: 'All agree on ' },
      { insert: 'the plan', attributes: { strong: {} } },
      { insert: ' of ' },
      { insert: 'last week', attributes: { em: {}, link: { href: 'https://example.org/?a=b&c=d' } } }
    ])
    const paragraph = new Y.XmlElement('paragraph')
    paragraph.insert(0, [text, new Y.XmlElement('hard_break')])
    const item = new Y.XmlElement('list_item')
    item.insert(0, [new Y.XmlText('buy bread')])
    const list = new Y.XmlElement('bullet_list')
    list.insert(0, [item])
    doc.getXmlFragment('prosemirror').insert(0, [heading, paragraph, list])
  },
  /** As y-codemirror.next does: one plain text. */
  codeMirror (doc) {
    doc.getText('codemirror').insert(0, 'def greet(name: str) -> str:\n    return f"<b>Hello</b> {name}"\n')
  },
  /** As y-quill does: a text with formats, a picture in it, and the formats of lines at their ends. */
  quill (doc) {
    const text = doc.getText('quill')
    text.insert(0, 'Gandalf the ', {})
    text.insert(12, 'Grey', { bold: true, color: '#888888' })
    text.insert(16, '\n', { header: 1 })
    text.insertEmbed(17, { image: 'data:,' })
    text.insert(18, ' arrives\n', {})
  },
  /** What would run, break out or mislead where it is shown as it is. */
  hostile (doc) {
    const run = '<script>alert("it ran")</script>'
    const mark = '"><img src=x onerror=alert("it ran")>'
    doc.getText('codemirror').insert(0, `${run}\n</pre>${mark}\ninvoice\u202Egnp.exe\u0000\u2028end`)
    doc.getText('rich').insert(0, 'marked', { [mark]: run, href: 'javascript:alert("it ran")' })
    doc.getMap(run).set(mark, new Y.Map([['\u202Ekey', `${run}{{ 7 * 7 }}`]]))
    const element = new Y.XmlElement(run)
    element.setAttribute(mark, run)
    element.insert(0, [new Y.XmlText(`</script>${run}`)])
    doc.getXmlFragment('xml').insert(0, [element])
  },
  manyDeletions (doc) {
    // Deleting every second character leaves one delete range for each: nothing of it can be merged away.
    const { text } = roots(doc)
    for (let at = 0; at < 500; at += 1) text.insert(at * 2, 'ab')
    for (let at = 0; at < 500; at += 1) text.delete(at, 1)
  }
}
