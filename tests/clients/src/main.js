/**
 * Many Yjs clients in one process, driven through JSON lines: a request {"id", "do", ...} on standard input is answered
 * by {"id", "result"} or {"id", "error"} on standard output. Ends when standard input does.
 */
import readline from 'node:readline'
import { run } from './commands.js'

const answer = (line) => process.stdout.write(JSON.stringify(line) + '\n')

readline.createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on('line', async (line) => {
    const { id, ...request } = JSON.parse(line)
    try {
      answer({ id, result: (await run(request)) ?? null })
    } catch (error) {
      answer({ id, error: error.message })
    }
  })
  .on('close', () => process.exit(0))
