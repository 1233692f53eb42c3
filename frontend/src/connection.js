// How the connection is, in a word and, when something is wrong, a sentence.

import { gettext } from './words.js'

// y-websocket gives up on 4400-4499 ...
const FINAL = {
  4400: [gettext('The server could not read what this page sent.'), gettext('Copy your text to a safe place, then reload the page.')],
  4401: [gettext('You are not signed in, or no longer.'), gettext('Sign in, then reload the page.')],
  4403: [gettext('You may not enter this room.'), gettext('Rooms “demo-…” are open to everybody, “team-…” to whom Django permits it. Sign in, or ask for the permission; if you were disconnected, load the page again.')],
  4404: [gettext('No room can have this name.'), gettext('Names have 1 to 255 bytes and no control characters.')],
  4410: [gettext('This room was deleted.'), gettext('What you see is the last text that reached this page.')],
  4413: [gettext('This is more than the room can take.'), gettext('Copy your text to a safe place, reload, and add it in smaller parts.')],
}

// ... and tries again after all others.
const PASSING = {
  1012: gettext('The server is restarting.'),
  1013: gettext('The server cannot reach its storage.'),
  4503: gettext('Your rights to this room have changed.'),
  4529: gettext('Too much at once.'),
}

const WORDS = { connecting: gettext('Connecting…'), live: gettext('Live'), away: gettext('Reconnecting…'), closed: gettext('Closed') }

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
    const rest = rights === 'read'
      ? gettext('You can read on.')
      : gettext('You can go on typing; it is sent as soon as the server is back.')
    show('away', PASSING[event?.code] ?? gettext('The connection is lost.'), rest)
  })
  provider.on('closed', ({ code }) => {
    const [head, rest] = FINAL[code] ?? [gettext('The server has closed this room.'), gettext('Reload the page to try again.')]
    show('closed', head, `${rest} (${code})`, code)
    whenClosed()
  })
  show('connecting')
}
