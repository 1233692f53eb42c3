/**
 * Lines of {"updates": [base64, ...], "typed": whether the roots are those of content.js} in; for each what a document
 * says that got them all: content, state vector, ranges of structs and deletions, those that wait included.
 */
import { createInterface } from 'node:readline'
import * as Y from 'yjs'
import { content, documentContent } from './content.js'
import { describe } from './describe.js'

const untyped = doc => Object.fromEntries([...doc.share.keys()].sort().map(name => [name, content(doc.share.get(name))]))

const lines = []
for await (const line of createInterface({ input: process.stdin })) {
  const { updates, typed } = JSON.parse(line)
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, Buffer.from(update, 'base64'))
  const { structs, deletes } = describe(Y.encodeStateAsUpdate(doc))
  const vector = Object.fromEntries(Y.decodeStateVector(Y.encodeStateVector(doc)))
  const pending = doc.store.pendingStructs !== null
  lines.push(JSON.stringify({ content: typed ? documentContent(doc) : untyped(doc), vector, structs, deletes, pending }))
}
process.stdout.write(lines.join('\n') + '\n')
