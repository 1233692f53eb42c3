/**
 * node src/concurrent.js concurrent-history.json.gz
 *
 * Two people who write one text at once, each hearing of the other with a delay. A transaction's positions count in the
 * text that its parents make together; later patches of a transaction see the earlier ones. Nobody inserts where the
 * other does at the same time, so the text at the end is the same whichever client ids the two have.
 */
import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import * as Y from 'yjs'
import { Random } from './random.js'

const TRANSACTIONS = 420
const MIN_JOINS = 100
const START = 'Once upon a time there were two people who wrote one text.\n'.repeat(6)
const WORDS = ['the ', 'room ', 'of ', 'ünder ', 'cursor', ', ', '.\n', 'typed ', 'again ', 'и ', 'two ', 'at once ', '漢字 ']

const mergedWith = (own, other) => new Set([...own, ...other])

class Writer {
  constructor (agent, random) {
    Object.assign(this, { agent, random, text: '', cursor: 0, known: new Set(), heads: [] })
  }

  /** Type a letter or two, jump, replace a word: one or two patches. */
  patches () {
    const { random } = this
    if (random.chance(0.06)) this.cursor = random.below(this.text.length)
    const at = Math.min(this.cursor, this.text.length)
    const dice = random.fraction()
    if (dice < 0.16 && at > 4) return [[at - 1, 1, '']]
    if (dice < 0.22 && at > 12) return [[at - 6, 4, ''], [at - 6, 0, random.pick(WORDS)]]
    return [[at, 0, dice < 0.7 ? String.fromCharCode(97 + random.below(26)) : random.pick(WORDS)]]
  }
}

const apply = (ytext, [at, deleted, inserted]) => {
  if (deleted) ytext.delete(at, deleted)
  if (inserted) ytext.insert(at, inserted)
}

/** One document per agent, with the given client ids, each made of exactly what its transactions had seen. */
class Replay {
  constructor (ids) {
    this.docs = ids.map(id => Object.assign(new Y.Doc(), { clientID: id }))
    this.updates = []
    this.seen = ids.map(() => new Set())
  }

  see (agent, transactions) {
    for (const index of [...transactions].sort((a, b) => a - b)) {
      if (!this.seen[agent].has(index)) Y.applyUpdate(this.docs[agent], this.updates[index])
      this.seen[agent].add(index)
    }
  }

  write (index, agent, ancestors, patches) {
    this.see(agent, ancestors)
    const doc = this.docs[agent]
    const before = Y.encodeStateVector(doc)
    doc.transact(() => patches.forEach(patch => apply(doc.getText('text'), patch)))
    this.updates[index] = Y.encodeStateAsUpdate(doc, before)
    this.seen[agent].add(index)
    return this.text(agent)
  }

  text (agent) {
    return this.docs[agent].getText('text').toString()
  }

  ends (transactions) {
    const all = [...transactions]
    return this.docs.map((_, agent) => this.see(agent, all) ?? this.text(agent))
  }
}

/** The history while it is written: its transactions, and which ones each of them had seen. */
class Story {
  constructor (seed) {
    this.random = new Random(seed)
    this.writers = [0, 1].map(agent => new Writer(agent, this.random))
    this.replay = new Replay([1, 2])
    this.txns = []
    this.ancestors = []
  }

  hear (writer, index) {
    if (index === undefined || writer.known.has(index)) return
    writer.known = mergedWith(writer.known, [...this.ancestors[index], index])
    writer.heads = [...writer.heads.filter(head => !this.ancestors[index].has(head)), index]
    this.replay.see(writer.agent, writer.known)
    writer.text = this.replay.text(writer.agent)
  }

  commit (writer, patches) {
    const index = this.txns.length
    const parents = [...writer.heads].sort((a, b) => a - b)
    const time = new Date(index * 1000).toISOString().replace('.000Z', '+00:00')
    this.txns.push({ parents, numChildren: 0, agent: writer.agent, time, patches })
    parents.forEach(parent => this.txns[parent].numChildren++)
    this.ancestors.push(writer.known)
    writer.text = this.replay.write(index, writer.agent, writer.known, patches)
    const [at, , inserted] = patches.at(-1)
    writer.cursor = at + inserted.length
    writer.known = mergedWith(writer.known, [index])
    writer.heads = [index]
  }

  /** One of the two hears of something, perhaps, and goes on writing. */
  step () {
    const writer = this.random.pick(this.writers)
    const theirs = this.txns.flatMap(({ agent }, index) => agent === writer.agent ? [] : [index])
    if (this.random.chance(0.3)) this.hear(writer, theirs.at(-1 - this.random.below(4)))
    this.commit(writer, writer.patches())
  }
}

const write = seed => {
  const story = new Story(seed)
  const [first, second] = story.writers
  story.commit(first, [[0, 0, START]])
  story.hear(second, 0)
  second.cursor = START.length - 60
  while (story.txns.length < TRANSACTIONS) story.step()
  return story
}

/** Return what the two have at the end when they have these client ids. */
const endsWith = ({ txns, ancestors }, ids) => {
  const replay = new Replay(ids)
  txns.forEach(({ agent, patches }, index) => replay.write(index, agent, ancestors[index], patches))
  return replay.ends(txns.keys())
}

for (let seed = 1; ; seed++) {
  const story = write(seed)
  const ends = new Set([[1, 2], [2, 1]].flatMap(ids => endsWith(story, ids)))
  const joins = story.txns.filter(({ parents }) => parents.length > 1).length
  if (ends.size > 1 || joins < MIN_JOINS) continue
  const [endContent] = ends
  const file = { kind: 'concurrent', endContent, numAgents: 2, txns: story.txns }
  writeFileSync(process.argv[2], gzipSync(JSON.stringify(file), { level: 9 }))
  console.log(`seed ${seed}: ${story.txns.length} transactions, ${joins} joins, ${endContent.length} characters`)
  break
}
