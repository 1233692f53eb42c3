/** One unmodified y-websocket client: its document, journal, provider, and what happened to its connection. */
import fs from 'node:fs'
import * as decoding from 'lib0/decoding'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { WebsocketProvider } from 'y-websocket'
import { Journal } from './journal.js'
import { TEXT, content, digest, pending, ranges } from './content.js'

// y-websocket's resync timer looks at the global even when it was given another WebSocket; Node 20 has no global one.
globalThis.WebSocket ??= WebSocket
process.setMaxListeners(0) // each provider adds an exit handler

export class Client {
  /** @param {{name, url, room, params?, protocols?, resyncInterval?, connect?, journal?, checkSends?, journalLast?, doc?}} options */
  constructor ({ name, url, room, params = {}, protocols = [], resyncInterval = -1, connect = true, journal, journalLast = false, checkSends = false, doc = new Y.Doc() }) {
    Object.assign(this, { name, url, room, doc, checkSends, typist: null })
    this.seen = { connects: 0, syncs: 0, closes: [], ended: [], framesIn: 0, updatesOut: 0, lateUpdates: 0 }
    this.journal = journal === undefined ? null : new Journal(journal, { client: name, clientId: doc.clientID, room })
    const record = (update, origin) => {
      if (origin !== this.provider) this.journal?.record(update)
    }
    // Listeners run in the order in which they came: ours before the provider's, so that the disk is first.
    if (!journalLast) doc.on('update', record)
    this.provider = new WebsocketProvider(url, room, doc, {
      params, protocols, resyncInterval, connect: false, disableBc: true, WebSocketPolyfill: this.#socketClass()
    })
    if (journalLast) doc.on('update', record)
    this.#watch()
    if (connect) this.provider.connect()
  }

  get text () {
    return this.doc.getText(TEXT)
  }

  #watch () {
    this.provider.on('status', ({ status }) => { if (status === 'connected') this.seen.connects += 1 })
    this.provider.on('sync', (synced) => {
      if (synced) {
        this.seen.syncs += 1
        this.seen.lengthAtSync = this.text.length
      }
    })
    this.provider.on('connection-close', (event) => this.seen.closes.push(event === null ? null : event.code))
    this.provider.on('closed', ({ code }) => this.seen.ended.push(code))
  }

  #socketClass () {
    const client = this
    return class extends WebSocket {
      constructor (...given) {
        super(...given)
        this.on('message', () => { client.seen.framesIn += 1 })
      }

      send (frame, ...more) {
        client.#sending(frame)
        super.send(frame, ...more)
      }
    }
  }

  #sending (frame) {
    if (frame[0] !== 0 || frame[1] !== 2) return // only updates: 0 = sync, 2 = update
    this.seen.updatesOut += 1
    if (!this.checkSends) return
    const decoder = decoding.createDecoder(frame.subarray(2))
    if (!this.journal.holds(decoding.readVarUint8Array(decoder))) this.seen.lateUpdates += 1
  }

  /** Destroy the TCP socket: the server gets no close frame. With `stay` the client doesn't come back. */
  terminate (stay) {
    if (stay) this.provider.shouldConnect = false
    this.provider.ws?.terminate()
  }

  info () {
    return {
      ...this.seen,
      clientId: this.doc.clientID,
      connected: this.provider.wsconnected,
      synced: this.provider.synced,
      journaled: this.journal?.lines ?? 0,
      typed: this.typist?.typed.length ?? 0,
      pending: pending(this.doc)
    }
  }

  state () {
    return {
      update: Buffer.from(Y.encodeStateAsUpdate(this.doc)).toString('base64'),
      stateVector: Buffer.from(Y.encodeStateVector(this.doc)).toString('base64'),
      ...ranges(this.doc),
      pending: pending(this.doc),
      content: content(this.doc),
      digest: digest(this.doc)
    }
  }

  /** Write what the auditor compares at the end of a run; `fresh` marks a client that joined after all the others. */
  report (path, fresh) {
    const { update, ...state } = this.state()
    const who = { client: this.name, clientId: this.doc.clientID, room: this.room, fresh, connected: this.provider.wsconnected }
    fs.writeFileSync(path, JSON.stringify({ ...who, ...state }))
  }

  destroy () {
    this.typist?.stop()
    this.provider.destroy()
    this.provider.awareness.destroy()
    this.doc.destroy()
    this.journal?.close()
  }
}
