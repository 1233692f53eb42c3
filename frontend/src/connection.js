// How the connection is, in a word and, when something is wrong, a sentence.

// y-websocket gives up on 4400-4499 ...
const FINAL = {
  4400: ['The server could not read what this page sent.', 'Copy your text to a safe place, then reload the page.'],
  4401: ['You are not signed in, or no longer.', 'Sign in, then reload the page.'],
  4403: ['You may not enter this room.', 'Rooms “demo-…” are open to everybody, “team-…” to whom Django permits it. Sign in, or ask for the permission.'],
  4404: ['No room can have this name.', 'Names have 1 to 255 bytes and no control characters.'],
  4410: ['This room was deleted.', 'What you see is the last text that reached this page.'],
  4413: ['This is more than the room can take.', 'Copy your text to a safe place, reload, and add it in smaller parts.'],
}

// ... and tries again after all others.
const PASSING = {
  1012: 'The server is restarting.',
  1013: 'The server cannot reach its storage.',
  4503: 'Your rights to this room have changed.',
  4529: 'Too much at once.',
}

const WORDS = { connecting: 'Connecting…', live: 'Live', away: 'Reconnecting…', closed: 'Closed' }

/**
 * Keep `state` (a word) and `notice` (a sentence, hidden while all is well) true to the provider.
 * `whenClosed` is called once the server has refused for good, `whenRightsChange` with "read" or "write".
 */
export function showConnection (provider, state, notice, { whenClosed, whenRightsChange }) {
  const show = (name, head = '', rest = '', code = '') => {
    state.dataset.state = name
    state.textContent = WORDS[name]
    notice.hidden = !head
    notice.dataset.code = code
    notice.replaceChildren(Object.assign(document.createElement('strong'), { textContent: head }), ` ${rest}`)
  }
  provider.on('sync', (synced) => { if (synced) show('live') })
  provider.on('connection-close', (event) => {
    const rights = event?.code === 4503 ? event.reason.split(' ').at(-1) : '' // "rights changed: read"
    if (rights) whenRightsChange(rights)
    const rest = rights === 'read' ? 'You can read on.' : 'You can go on typing; it is sent as soon as the server is back.'
    show('away', PASSING[event?.code] ?? 'The connection is lost.', rest)
  })
  provider.on('closed', ({ code }) => {
    const [head, rest] = FINAL[code] ?? ['The server has closed this room.', 'Reload the page to try again.']
    show('closed', head, `${rest} (${code})`, code)
    whenClosed()
  })
  show('connecting')
}
