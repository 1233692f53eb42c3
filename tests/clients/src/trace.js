/**
 * Replays of recorded editing histories (the format of josephg/editing-traces).
 *
 * A patch of a concurrent history counts its position in the state of the transaction's parents. So each agent gets a
 * fork of the document which merges exactly the parents before each transaction; the updates that come out are then
 * made by the real clients, each in the order of its agent and as soon as what it builds upon has arrived.
 */
import fs from 'node:fs'
import zlib from 'node:zlib'
import * as Y from 'yjs'
import { TEXT } from './content.js'

export const load = (path) => JSON.parse(zlib.gunzipSync(fs.readFileSync(path)))

/** Apply [position, deleted characters, inserted text] to a text; positions count UTF-16 units. */
function patch (text, [position, deleted, inserted]) {
  if (deleted > 0) text.delete(position, deleted)
  if (inserted.length > 0) text.insert(position, inserted)
}

/** Return {end, agents: [[{update, needs: [[client id, clock]]}]]}: what each agent's client has to make, in order. */
export function plan (path) {
  const { txns, endContent, numAgents } = load(path)
  const forks = Array.from({ length: numAgents }, (_, agent) => new Fork(agent, numAgents))
  const versions = [] // for each transaction: how many transactions of each agent it knows, itself included
  for (const { parents, agent, patches } of txns) {
    const fork = forks[agent]
    const version = parents.reduce((known, parent) => known.map((n, at) => Math.max(n, versions[parent][at])), Array(numAgents).fill(0))
    if (version[agent] !== fork.steps.length) throw new Error(`agent ${agent} does not build upon its own last transaction`)
    fork.merge(version, forks)
    fork.make(patches)
    version[agent] += 1
    versions.push(version)
  }
  return { end: endContent, agents: forks.map((fork) => fork.steps) }
}

class Fork {
  constructor (agent, agents) {
    this.doc = new Y.Doc()
    this.doc.clientID = agent + 1
    this.known = Array(agents).fill(0)
    this.agent = agent
    this.steps = []
    this.doc.on('update', (update, origin) => { if (origin === 'make') this.made = update })
  }

  merge (version, forks) {
    version.forEach((count, other) => {
      if (other === this.agent || count <= this.known[other]) return
      const missing = forks[other].steps.slice(this.known[other], count).map(({ update }) => update).filter(Boolean)
      if (missing.length > 0) Y.applyUpdate(this.doc, Y.mergeUpdates(missing))
      this.known[other] = count
    })
  }

  make (patches) {
    const needs = [...Y.decodeStateVector(Y.encodeStateVector(this.doc))].filter(([id]) => id !== this.doc.clientID)
    this.made = null
    this.doc.transact(() => patches.forEach((one) => patch(this.doc.getText(TEXT), one)), 'make')
    this.steps.push({ update: this.made, needs })
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Let a client make one agent's part of a plan, each update in a frame of its own; return the number made. */
export async function replay (client, steps) {
  let made = 0
  for (const { update, needs } of steps) {
    const arrived = () => needs.every(([id, clock]) => Y.getState(client.doc.store, id) >= clock)
    while (!arrived() || (client.provider.ws?.bufferedAmount ?? 0) > 1 << 20) await pause(1)
    if (update === null) continue
    Y.applyUpdate(client.doc, update, 'replay')
    made += 1
    if (made % 20 === 0) await pause(0)
  }
  return made
}

/** Type a sequential history into a client's text, `each` recorded transactions to one of ours; return the number made. */
export async function replaySequential (client, path, each) {
  const { txns, startContent } = load(path)
  if (startContent) client.text.insert(0, startContent)
  for (let at = 0; at < txns.length; at += each) {
    client.doc.transact(() => {
      for (const { patches } of txns.slice(at, at + each)) patches.forEach((one) => patch(client.text, one))
    })
    while ((client.provider.ws?.bufferedAmount ?? 0) > 1 << 20) await pause(1)
    await pause(0)
  }
  return Math.ceil(txns.length / each)
}
