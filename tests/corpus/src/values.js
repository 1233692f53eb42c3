/** Values of every kind that Yjs can store in a map, an array, an attribute or an embed. */

const WORDS = ['a', 'the', 'room', ' ', '\n', 'ünï', '漢字', '😀', '👩‍👩‍👧', 'Ω', 'x'.repeat(40), '\u0000', '"\\', '']

export const word = random => random.pick(WORDS)

export const text = random => {
  let result = ''
  while (result === '' || random.chance(0.5)) result += word(random)
  return result
}

const json = [
  random => null,
  random => random.chance(0.5),
  random => random.below(200) - 100,
  random => random.below(2 ** 31) * 4 - 2 ** 32,
  random => random.fraction() * 1000,
  random => random.below(1000) / 8,
  random => random.pick([1e21, 2 ** 53, 2 ** 60, 1e19, -1e19, 5e-324, 1.7976931348623157e308, 0.1, 4.35, 0.1 + 0.2]),
  text,
  random => random.pick(['-0', '1e5', '[[[[', 'NaN', '2024-01-05', 'undefined'])
]

/** A value that survives JSON. */
export const plain = (random, depth = 0) => {
  const kind = depth < 4 ? random.below(json.length + 2) : random.below(json.length)
  if (kind === json.length) return Array.from({ length: random.below(4) }, () => plain(random, depth + 1))
  if (kind > json.length) return object(random, () => plain(random, depth + 1))
  return json[kind](random)
}

const object = (random, value) =>
  Object.fromEntries(Array.from({ length: random.below(4) }, () => [word(random), value()]))

const special = [
  random => undefined,
  random => random.pick([5n, -5n, 2n ** 63n - 1n, -(2n ** 63n)]),
  random => -0,
  random => random.pick([NaN, Infinity, -Infinity, -(2 ** 31), 2 ** 31 - 1, 2 ** 31, 1.5, 3e9]),
  random => Uint8Array.from({ length: random.below(6) }, () => random.below(256))
]

/** Any value; `odd` allows those that pycrdt can't keep as well (BigInt, -0). */
export const any = (random, odd, depth = 0) => {
  if (random.chance(0.7)) return plain(random, depth)
  if (depth < 4 && random.chance(0.3)) {
    return [any(random, odd, depth + 1), object(random, () => any(random, odd, depth + 1))]
  }
  const kind = random.below(special.length)
  return !odd && (kind === 1 || kind === 2) ? true : special[kind](random)
}
