/**
 * Somebody who types: tokens such as "ann:17;" at random places, and now and then a deletion of an own one.
 *
 * Tokens go between tokens and are deleted whole, so the text at the end can be checked token by token.
 */

/** Return a generator of numbers in [0, 1) that gives the same ones for the same seed (mulberry32). */
export function random (seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export class Typist {
  /** @param {number} rate keystrokes a second @param {number} count stop after so many; 0 = only when told */
  constructor (client, { seed, rate, count = 0, deletions = 0.1 }) {
    Object.assign(this, { client, text: client.text, deletions, left: count || Infinity })
    this.typed = []
    this.deleted = new Set()
    this.next = random(seed)
    this.timer = setInterval(() => this.#stroke(), 1000 / rate)
  }

  get running () {
    return this.timer !== null
  }

  stop () {
    clearInterval(this.timer)
    this.timer = null
  }

  /** The tokens that must be in the text in the end. */
  kept () {
    return this.typed.filter((token) => !this.deleted.has(token))
  }

  #stroke () {
    if (this.typed.length === 0 || this.next() >= this.deletions) this.#insert()
    else this.#remove()
    this.left -= 1
    if (this.left <= 0) this.stop()
  }

  #insert () {
    const token = `${this.client.name}:${this.typed.length};`
    const text = this.text.toString()
    const from = Math.floor(this.next() * (text.length + 1))
    const boundary = text.indexOf(';', from)
    this.typed.push(token)
    this.text.insert(boundary < 0 ? text.length : boundary + 1, token)
  }

  #remove () {
    const token = this.typed[Math.floor(this.next() * this.typed.length)]
    const at = `;${this.text}`.indexOf(`;${token}`)
    if (at < 0) return
    this.deleted.add(token)
    this.text.delete(at, token.length)
  }
}
