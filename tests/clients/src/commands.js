/** What the Python side can ask for: one function for each command; `c` is the client named in the request. */
import * as Y from 'yjs'
import { Client } from './client.js'
import { TEXT, content, digest, roots } from './content.js'
import { scripts } from './scripts.js'
import * as tokens from './tokens.js'
import * as trace from './trace.js'
import { Typist } from './typist.js'

const clients = new Map()
const plans = new Map()

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

function named (name) {
  const client = clients.get(name)
  if (client === undefined) throw new Error(`no client ${name}`)
  return client
}

const planOf = (path) => {
  if (!plans.has(path)) plans.set(path, trace.plan(path))
  return plans.get(path)
}

const conditions = {
  synced: (c) => c.provider.synced,
  connected: (c) => c.provider.wsconnected,
  disconnected: (c) => !c.provider.wsconnected,
  connects: (c, wanted) => c.seen.connects >= wanted,
  ended: (c, wanted) => c.seen.ended.includes(wanted),
  closed: (c, wanted) => c.seen.closes.includes(wanted),
  text: (c, wanted) => c.text.length === wanted.length && c.text.toString() === wanted,
  length: (c, wanted) => c.text.length === wanted,
  digest: (c, wanted) => digest(c.doc) === wanted,
  covers: (c, wanted) => Object.entries(wanted).every(([id, clock]) => Y.getState(c.doc.store, Number(id)) >= clock),
  sees: (c, wanted) => c.provider.awareness.getStates().has(wanted),
  misses: (c, wanted) => !c.provider.awareness.getStates().has(wanted),
  typed: (c) => c.typist === null || !c.typist.running
}

const withClient = {
  close (c) {
    clients.delete(c.name)
    c.destroy()
  },
  connect: (c) => c.provider.connect(),
  disconnect: (c) => c.provider.disconnect(),
  terminate: (c, { stay = false }) => c.terminate(stay),

  insert: (c, { at, text, attributes }) => c.text.insert(at ?? c.text.length, text, attributes),
  delete: (c, { at, length }) => c.text.delete(at, length),
  format: (c, { at, length, attributes }) => c.text.format(at, length, attributes),
  mapSet: (c, { key, value }) => { roots(c.doc).map.set(key, value) },
  mapDelete: (c, { key }) => roots(c.doc).map.delete(key),
  arrayInsert: (c, { at, values }) => roots(c.doc).array.insert(at, values),
  arrayDelete: (c, { at, length }) => roots(c.doc).array.delete(at, length),
  /** One update of about so many bytes; its pattern has no two equal lines, so that compressing can't hide its size. */
  fill (c, { bytes }) {
    let text = ''
    for (let line = 0; text.length < bytes; line += 1) text += `${line}:${(line * 2654435761 % 4294967296).toString(36)}\n`
    c.text.insert(0, text.slice(0, bytes))
  },
  script: (c, { named }) => c.doc.transact(() => scripts[named](c.doc)),
  apply: (c, { update }) => Y.applyUpdate(c.doc, Buffer.from(update, 'base64'), 'applied'),

  setAwareness: (c, { state }) => c.provider.awareness.setLocalState(state),
  setAwarenessField: (c, { field, value }) => c.provider.awareness.setLocalStateField(field, value),
  awareness: (c) => Object.fromEntries(c.provider.awareness.getStates()),

  type (c, options) {
    c.typist = new Typist(c, options)
  },
  stopTyping (c) {
    c.typist?.stop()
    return { kept: c.typist?.kept() ?? [], typed: c.typist?.typed.length ?? 0 }
  },
  replay: (c, { path, agent }) => trace.replay(c, planOf(path).agents[agent]),
  replaySequential: (c, { path, each }) => trace.replaySequential(c, path, each),

  text: (c) => c.text.toString(),
  content: (c) => content(c.doc),
  state: (c) => c.state(),
  digest: (c) => digest(c.doc),
  info: (c) => c.info(),
  report: (c, { path, fresh = false }) => c.report(path, fresh),

  /** Return when every condition given holds, or throw with what is there instead after `seconds`. */
  async wait (c, { until, seconds = 10 }) {
    const deadline = Date.now() + seconds * 1000
    const holds = () => Object.entries(until).every(([kind, wanted]) => conditions[kind](c, wanted))
    while (!holds()) {
      if (Date.now() > deadline) throw new Error(`${c.name}: not ${JSON.stringify(until).slice(0, 200)} in ${seconds} s: ${JSON.stringify(c.info())}`)
      await pause(10)
    }
  }
}

const withoutClient = {
  ...tokens,
  open ({ name, subdocumentOf, key, ...options }) {
    if (clients.has(name)) throw new Error(`there is a client ${name} already`)
    const doc = subdocumentOf === undefined ? undefined : roots(named(subdocumentOf).doc).map.get(key)
    doc?.load()
    clients.set(name, new Client({ name, doc, ...options }))
    return { clientId: clients.get(name).doc.clientID }
  },
  /** The text that a recorded history ends with, and how many updates each agent makes of it. */
  plan: ({ path }) => ({ end: planOf(path).end, updates: planOf(path).agents.map((steps) => steps.length) }),
  endContent: ({ path }) => trace.load(path).endContent,
  closeAll () {
    for (const client of clients.values()) client.destroy()
    clients.clear()
  },
  rootName: () => TEXT
}

/** Run one request {"do", "client"?, ...} and return its result. */
export function run ({ do: name, client, ...options }) {
  if (Object.hasOwn(withoutClient, name)) return withoutClient[name](options)
  if (!Object.hasOwn(withClient, name)) throw new Error(`no command ${name}`)
  return withClient[name](named(client), options)
}
