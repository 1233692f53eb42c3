/** Lines of {"updates": [base64, ...]} in; for each the content and state vector of a document that got them out. */
import { createInterface } from 'node:readline'
import * as Y from 'yjs'
import { documentContent } from './content.js'

const lines = []
for await (const line of createInterface({ input: process.stdin })) {
  const doc = new Y.Doc()
  for (const update of JSON.parse(line).updates) Y.applyUpdate(doc, Buffer.from(update, 'base64'))
  const vector = Object.fromEntries(Y.decodeStateVector(Y.encodeStateVector(doc)))
  lines.push(JSON.stringify({ content: documentContent(doc), vector }))
}
process.stdout.write(lines.join('\n') + '\n')
