// A y-websocket provider whose token stays fresh: a new one goes over the open socket before the old one is over.
import * as encoding from 'lib0/encoding'
import { WebsocketProvider } from 'y-websocket'

const TOKEN = 121 // the message in which django-yredis takes a fresh token
const MARGIN = 0.25 // of a token's life is left when it is renewed
const AGAIN_SECONDS = 5 // after a failure
const IDENTITY = 4401

const protocols = (token) => token ? ['yredis', `yauth-${token}`] : []
const isFinal = (code) => code >= 4400 && code <= 4499

function frame (token) {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, TOKEN)
  encoding.writeVarString(encoder, token)
  return encoding.toUint8Array(encoder)
}

/** Connect as the template tag says; it ends for good, with `closed`, on 44xx or when there is no more token to be had. */
export function connect (doc, { url, room, name, token, expiresIn, tokenUrl, csrfToken }, options = {}) {
  let timer
  let goodUntil = 0 // a page may come out of a cache, with an old token: then the first one is renewed
  const isOld = (code) => Boolean(tokenUrl) && Date.now() > goodUntil && (code === IDENTITY || !isFinal(code))

  const provider = new WebsocketProvider(url, room, doc, {
    ...options, protocols: protocols(token), shouldReconnect: ({ code }) => !isFinal(code) || isOld(code),
  })
  const schedule = (seconds) => {
    clearTimeout(timer)
    timer = setTimeout(renew, seconds * 1000)
  }
  async function renew () {
    const answer = await fetch(tokenUrl, {
      method: 'POST', headers: { 'X-CSRFToken': csrfToken }, body: new URLSearchParams({ room: name }),
    }).catch(() => null) // offline
    if (answer === null || answer.status >= 500) return schedule(AGAIN_SECONDS)
    if (!answer.ok) return provider.wsconnected || provider.emit('closed', [{ code: IDENTITY, reason: '' }, provider])
    const fresh = await answer.json()
    provider.protocols = protocols(fresh.token)
    goodUntil = Date.now() + fresh.expiresIn * 1000
    schedule(fresh.expiresIn * (1 - MARGIN))
    if (provider.wsconnected) provider.ws.send(frame(fresh.token))
    else provider.connect()
  }
  provider.on('closed', () => clearTimeout(timer))
  provider.on('connection-close', (event) => {
    if (!isOld(event?.code)) return
    provider.shouldConnect = false // it would be refused: first a new token
    schedule(0)
  })
  if (tokenUrl) schedule(expiresIn * (1 - MARGIN))
  return provider
}
