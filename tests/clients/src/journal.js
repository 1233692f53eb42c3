/**
 * A client's journal: every update made here is on disk before anything can send it.
 *
 * The first line says whose it is: {"client", "clientId", "room"}; each other line is one update:
 * {"n", "at" (ms since the epoch), "update" (base64)}. The auditor reads it: see tests/auditor.
 */
import fs from 'node:fs'

export class Journal {
  constructor (path, head) {
    this.path = path
    this.lines = 0
    this.file = fs.openSync(path, 'a')
    this.#write(head)
  }

  /** Write one update and return only when the kernel has it: a kill -9 of this process can't lose it. */
  record (update) {
    this.#write({ n: this.lines, at: Date.now(), update: Buffer.from(update).toString('base64') })
    this.lines += 1
  }

  holds (update) {
    return fs.readFileSync(this.path, 'utf8').includes(`"${Buffer.from(update).toString('base64')}"`)
  }

  close () {
    fs.closeSync(this.file)
  }

  #write (value) {
    fs.writeSync(this.file, JSON.stringify(value) + '\n')
  }
}
