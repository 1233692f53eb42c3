/**
 * node src/typed.js <sequential history.json.gz> <edits to a line>
 *
 * A recorded text, typed edit by edit: lines of [base64, ...], an update for each edit; then one line with the text at
 * the end and the bytes that Yjs writes for the whole document.
 */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import * as Y from 'yjs'

const [path, each] = process.argv.slice(2)
const { txns, endContent } = JSON.parse(gunzipSync(readFileSync(path)))
const doc = Object.assign(new Y.Doc(), { clientID: 2587647601 })
const text = doc.getText('text')
let line = []
doc.on('update', update => line.push(Buffer.from(update).toString('base64')))
const lines = []
let edits = 0
for (const { patches } of txns) {
  doc.transact(() => {
    for (const [at, deleted, inserted] of patches) {
      if (deleted) text.delete(at, deleted)
      if (inserted) text.insert(at, inserted)
    }
  })
  edits += 1
  if (edits % Number(each) === 0) lines.push(JSON.stringify(line.splice(0)))
}
if (line.length) lines.push(JSON.stringify(line))
if (text.toString() !== endContent) throw new Error('the recorded text came out differently')
lines.push(JSON.stringify({ end: endContent, bytes: Y.encodeStateAsUpdate(doc).length }))
process.stdout.write(lines.join('\n') + '\n')
