/** A few peers that edit one document and hear of each other late, twice, in any order, or in one go. */
import * as Y from 'yjs'
import { ROOTS, documentContent } from './content.js'
import { describe } from './describe.js'
import { edit, editText, insertOldJson, type } from './edits.js'
import { Random } from './random.js'

/** What a history's peers do; `odd` allows values that pycrdt can't write again as they were. */
export const KINDS = {
  typing: (random, doc) => type(random, ROOTS.text(doc)),
  rich: (random, doc) => editText(random, ROOTS.text(doc)),
  map: (random, doc) => edit(random, { odd: false, deep: true }, ROOTS.map(doc)),
  array: (random, doc) => edit(random, { odd: false, deep: true }, ROOTS.array(doc)),
  xml: (random, doc) => edit(random, { odd: false, deep: true }, ROOTS.xml(doc)),
  all: (random, doc) => edit(random, { odd: false, deep: true }, random.pick(Object.values(ROOTS))(doc)),
  odd: (random, doc) => {
    if (random.chance(0.05)) return insertOldJson(random, ROOTS.array(doc))
    edit(random, { odd: true, deep: true }, random.pick(Object.values(ROOTS))(doc))
  }
}

class Peer {
  constructor (random, clientID) {
    this.doc = new Y.Doc({ gc: random.chance(0.9), guid: 'history' })
    this.doc.clientID = clientID
    this.inbox = []
    const roots = Object.values(ROOTS).map(root => root(this.doc))
    this.undo = random.chance(0.2) ? new Y.UndoManager(roots, { captureTimeout: 0 }) : null
  }

  apply (update) {
    Y.applyUpdate(this.doc, update, 'network')
  }
}

class History {
  constructor (seed, kind) {
    this.random = new Random(seed)
    this.change = KINDS[kind]
    this.updates = []
    this.keep = true
    const ids = this.random.chance(0.5) ? [1, 2, 3, 4] : [0xFFFFFFFF, 0x7FFFFFFF, 300, 0]
    this.peers = ids.slice(0, 2 + this.random.below(3)).map(id => new Peer(this.random, id))
    for (const peer of this.peers) {
      peer.doc.on('update', (update, origin) => origin === 'network' || this.send(peer, update))
    }
  }

  send (from, update) {
    this.updates.push(update)
    this.peers.forEach(peer => peer === from || peer.inbox.push(update))
  }

  step () {
    const { random } = this
    const peer = random.pick(this.peers)
    const dice = random.fraction()
    if (dice < 0.55) {
      peer.doc.transact(() => { for (let n = random.below(3); n >= 0; n--) this.change(random, peer.doc) })
    } else if (dice < 0.6 && peer.undo) {
      random.chance(0.6) ? peer.undo.undo() : peer.undo.redo()
    } else if (dice < 0.8 && peer.inbox.length) {
      this.deliver(peer)
    } else {
      this.sync(peer, random.pick(this.peers))
    }
  }

  /** Hand a peer some of what waits for it, seldom the oldest: gaps open and close. */
  deliver (peer) {
    const { random } = this
    const length = 1 + random.below(Math.min(3, peer.inbox.length))
    const batch = Array.from({ length }, () => random.take(peer.inbox))
    if (random.chance(0.3)) peer.inbox.push(batch[0])
    peer.apply(batch.length > 1 ? this.observed(Y.mergeUpdates(batch)) : batch[0])
  }

  /** Sync steps 1 and 2, with whatever `from` can't apply yet. */
  sync (to, from) {
    const vector = Y.encodeStateVector(to.doc)
    const update = this.observed(Y.encodeStateAsUpdate(from.doc, vector))
    to.apply(this.random.chance(0.3) ? this.observed(Y.diffUpdate(update, vector)) : update)
  }

  observed (update) {
    if (this.random.chance(0.3)) this.updates.push(update)
    return update
  }

  finish () {
    // Yjs tidies up formats after it received some, which is news for the others.
    for (let peer; (peer = this.peers.find(({ inbox }) => inbox.length));) peer.apply(this.random.take(peer.inbox))
    return this.peers.map(({ doc }) => doc)
  }
}

/** Return one history: its updates in random order, and what a document must say that got them all. */
export const history = (seed, kind) => {
  const played = new History(seed, kind)
  for (let steps = 5 + played.random.below(35); steps > 0; steps--) played.step()
  const docs = played.finish()
  const contents = docs.map(doc => JSON.stringify(documentContent(doc)))
  if (new Set(contents).size > 1) throw new Error(`history ${seed} (${kind}): its own peers differ`)
  return {
    seed,
    kind,
    updates: played.updates.map(describe),
    final: describe(Y.encodeStateAsUpdate(docs[0])),
    content: JSON.parse(contents[0])
  }
}
