/**
 * A page without a browser: it connects as src/token.js does, with real sockets, and tells what it sees.
 *
 * Each line of standard input is a thing to do, {"do": ..., ...}; each line of standard output is what happened,
 * {"event": ..., ...}. Nothing but the provider keeps this process alive once standard input has ended.
 */
import readline from 'node:readline'
import * as Y from 'yjs'
import { connect } from '../src/token.js'

const doc = new Y.Doc()
let provider

const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n')

const deeds = {
  open ({ connection, options = {} }) {
    provider = connect(doc, connection, { disableBc: true, ...options })
    provider.on('sync', (isSynced) => { if (isSynced) tell('synced') })
    provider.on('connection-close', (event) => tell('close', { code: event?.code ?? null }))
    provider.on('closed', ({ code }) => tell('closed', { code }))
  },
  connect: () => provider.connect(),
  disconnect: () => provider.disconnect(),
  destroy () {
    provider.destroy()
    provider.awareness.destroy() // it has a timer of its own, which a document ends and a provider does not
  },
  destroyDocument: () => doc.destroy(),
  /** End the timers that y-websocket has also without a connection: whatever still keeps the process alive is the helper's. */
  rest () {
    clearInterval(provider._checkInterval)
    provider.awareness.destroy()
  },
  /** As if nothing had come for so long that y-websocket gives the socket up: it looks every 3 s. */
  fallSilent: () => { provider.wsLastMessageReceived = 0 },
  /** What was answered before has been acted on when this round trip is over. */
  async settle ({ url }) {
    await (await fetch(url, { method: 'POST', body: 'settle' })).text()
    await new Promise((resolve) => setTimeout(resolve, 20))
    tell('settled', { shouldConnect: provider.shouldConnect, hasSocket: provider.ws !== null })
  },
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { do: name, ...options } = JSON.parse(line)
  deeds[name](options)
})
