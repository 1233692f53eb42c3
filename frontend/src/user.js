// The person at this page: a name that they can change, and a colour that follows from it.

import { gettext } from './words.js'

const FIRST = ['Amber', 'Brave', 'Calm', 'Clever', 'Gentle', 'Happy', 'Keen', 'Lucky', 'Merry', 'Quick', 'Quiet', 'Sunny']
const LAST = ['Badger', 'Crane', 'Dolphin', 'Falcon', 'Hare', 'Heron', 'Lynx', 'Otter', 'Panda', 'Robin', 'Tiger', 'Wren']
const KEY = 'yredis-name'
const HEX = /^#[0-9a-f]{6}$/i
const GREY = '#6b7280'

const oneOf = (list) => list[Math.floor(Math.random() * list.length)]

/** Return the colour of a name, "#rrggbb", dark enough for white letters. */
export function colourOf (name) {
  let hash = 0
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) >>> 0
  const hue = (hash * 137) % 360
  const channel = (n) => {
    const k = (n + hue / 30) % 12
    const value = 0.36 - 0.245 * Math.max(-1, Math.min(k - 3, 9 - k, 1)) // hsl(hue 68% 36%)
    return Math.round(value * 255).toString(16).padStart(2, '0')
  }
  return `#${channel(0)}${channel(8)}${channel(4)}`
}

/** Fill the input with this tab's name, or the one last chosen, or a random one; tell `use` at once and at every change. */
export function chooseName (input, use) {
  input.value = sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? `${oneOf(FIRST)} ${oneOf(LAST)}`
  const tell = () => {
    const name = input.value.trim() || gettext('Anonymous')
    sessionStorage.setItem(KEY, name)
    use({ name, color: colourOf(name), colorLight: `${colourOf(name)}33` })
  }
  input.addEventListener('input', () => {
    tell()
    localStorage.setItem(KEY, sessionStorage.getItem(KEY))
  })
  tell()
}

/**
 * Make others' names texts and their colours colours, which end up in style attributes: a stranger may send any JSON.
 * Call it before anyone else listens.
 */
export function trustColours (awareness) {
  awareness.on('change', ({ added, updated }) => {
    for (const id of [...added, ...updated]) {
      const state = awareness.getStates().get(id)
      if (!state?.user || id === awareness.clientID) continue
      if (typeof state.user !== 'object') state.user = {}
      const { user } = state
      if (typeof user.color !== 'string' || !HEX.test(user.color)) user.color = GREY
      user.colorLight = `${user.color}33`
      user.name = typeof user.name === 'string' ? user.name.slice(0, 40) : gettext('Anonymous')
    }
  })
}
