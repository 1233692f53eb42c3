/** node src/generate.js <count> > histories.jsonl */
import { KINDS, history } from './history.js'

const kinds = Object.keys(KINDS)
const count = Number(process.argv[2])
const lines = []
for (let seed = 1; seed <= count; seed++) lines.push(JSON.stringify(history(seed, kinds[seed % kinds.length])))
process.stdout.write(lines.join('\n') + '\n')
