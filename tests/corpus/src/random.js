/** Random numbers that are the same on every run: a history is named by its seed. */
export class Random {
  constructor (seed) {
    this.state = seed >>> 0
  }

  /** A number from 0 up to, not including, 1 (mulberry32). */
  fraction () {
    this.state = (this.state + 0x6D2B79F5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number from 0 up to, not including, `end`. */
  below (end) {
    return Math.floor(this.fraction() * end)
  }

  chance (probability) {
    return this.fraction() < probability
  }

  pick (list) {
    return list[this.below(list.length)]
  }

  /** Take one element out of a list. */
  take (list) {
    return list.splice(this.below(list.length), 1)[0]
  }
}
